"""Bare bodies that set a value, change it, and set it back: the last command must win, whatever the faults."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Chain:
    """Commands for one subject as bare bodies, each sent after the one before is acknowledged; they set `values`.

    The values return to earlier ones. At the end, `field` of the document with this key must have the last value.
    """

    queue: str
    message_type: str
    bodies: tuple[bytes, ...]
    collection: str
    key: Any
    field: str
    values: tuple[Any, ...]


def value_chains(rng: random.Random, queue_of: Callable[[str], str]) -> Iterator[Chain]:
    """Commands for a tag's name and for a market's limit; sometimes the sender publishes one twice."""
    orders = [(1, 2, 1), (1, 2, 1, 2), (1, 1, 2, 1), (1, 2, 3, 2, 1)]
    for message_type, collection, key, name, fields in (
        ("tag.define.v1", "catalog.tags", 31, "name", {"tag_id": 31}),
        ("market.define.v1", "rule_book.markets", "harbour", "levels_paid_max", {"market": "harbour"}),
    ):
        order = rng.choice(orders)
        values = tuple(f"tag {number}" if name == "name" else number for number in order)
        bodies = tuple(json.dumps({**fields, name: value}).encode() for value in values)
        yield Chain(queue_of(message_type), message_type, bodies, collection, key, name, values)
