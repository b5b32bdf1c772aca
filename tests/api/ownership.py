"""Who owns the thing that an operation names, by the ids in its path: a new operation follows from its ids."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

Thing = Literal["distributor", "order", "team", "message", "shop"]

THINGS: Mapping[str, Thing] = {
    "order_id": "order",
    "team_id": "team",
    "message_id": "message",
    "shop_id": "shop",
    "distributor_id": "distributor",
}
"""The ids of what has an owner; of several in a path the first one here counts. A message is its sender's."""

EVERYBODYS = frozenset(("product_id", "category_id", "tag_id", "version", "reason"))
"""The ids of what everybody with the permission may see: the catalogue, its stock, the rules, the meaning of codes."""

OPERATORS = frozenset(("user_id", "letter_id"))
"""The ids of what only administrators have the permission for; a distributor and a shop get 403."""


def ids_in(path: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", path))


def thing_of(path: str) -> Thing | None:
    """The thing with an owner that the path is about, if it is about one."""
    ids = ids_in(path)
    return None if ids & OPERATORS else next((thing for name, thing in THINGS.items() if name in ids), None)
