"""The owner of an operation's thing, by the ids in its path, so that new operations are covered automatically."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

Thing = Literal["distributor", "order", "team", "message", "shop", "statement", "webhook"]

THINGS: Mapping[str, Thing] = {
    "order_id": "order",
    "market": "statement",
    "period": "statement",
    "currency": "statement",
    "team_id": "team",
    "message_id": "message",
    "webhook_id": "webhook",
    "shop_id": "shop",
    "distributor_id": "distributor",
}
"""The ids of things with an owner; the first one here decides for a path with several. A sender owns a message."""

EVERYBODYS = frozenset(("product_id", "category_id", "tag_id", "version", "reason", "terms_version", "rail"))
"""The ids of things without an owner: the catalogue, its stock, the rules, the meaning of codes, the rails."""

OPERATORS = frozenset(
    ("user_id", "letter_id", "route_id", "silence_id", "adjustment_id", "batch_id", "table_id", "corridor_id")
)
"""The ids of things for administrators only; a distributor and a shop get 403."""


def ids_in(path: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", path))


def thing_of(path: str) -> Thing | None:
    """The thing with an owner in the path, if any."""
    ids = ids_in(path)
    return None if ids & OPERATORS else next((thing for name, thing in THINGS.items() if name in ids), None)
