"""Bare bodies that set a thing, set it otherwise, and set it back: whatever befalls them, the last wish must hold."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Chain:
    """Wishes for one thing as bare bodies, each sent when the one before is acknowledged; `values` are what they set.

    The wishes return to what was wished before. `field` of the document with this key in the collection must be the
    last one in the end.
    """

    queue: str
    message_type: str
    bodies: tuple[bytes, ...]
    collection: str
    key: Any
    field: str
    values: tuple[Any, ...]


def changing_its_mind(rng: random.Random, queue_of: Callable[[str], str]) -> Iterator[Chain]:
    """Wishes for a tag's name and for a market's limit; now and then the sender publishes one twice."""
    orders = [(1, 2, 1), (1, 2, 1, 2), (1, 1, 2, 1), (1, 2, 3, 2, 1)]
    for message_type, collection, key, name, wished in (
        ("tag.define.v1", "catalog.tags", 31, "name", {"tag_id": 31}),
        ("market.define.v1", "rule_book.markets", "harbour", "levels_paid_max", {"market": "harbour"}),
    ):
        order = rng.choice(orders)
        values = tuple(f"tag {number}" if name == "name" else number for number in order)
        bodies = tuple(json.dumps({**wished, name: value}).encode() for value in values)
        yield Chain(queue_of(message_type), message_type, bodies, collection, key, name, values)
