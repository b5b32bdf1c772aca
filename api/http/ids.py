"""Ids in bodies and answers: JSON integers, or decimal text where a client cannot keep them as numbers."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, PlainSerializer, WithJsonSchema

from contracts.javascript import all_exact, exact

ID_MAX = 2**63 - 1

ID_NAMES = frozenset(
    ("product_id", "category_id", "distributor_id", "sponsor_id", "leader_id", "categories", "products", "tags")
)
"""The fields of a body that hold an id, or a list of ids."""

ID_SCHEMA: dict[str, Any] = {
    "title": "Id",
    "description": "A whole number from 1 to 2^63 - 1. In answers it is an integer up to 2^53 - 1, and decimal text "
    "above, where JavaScript's numbers are no longer exact. In requests it may be either.",
    "oneOf": [
        {"type": "integer", "format": "int64", "minimum": 1},
        {"type": "string", "pattern": "^[1-9][0-9]{0,18}$"},
    ],
    "examples": [40021],
}

ShownId = Annotated[
    int,
    Field(ge=1, le=ID_MAX),
    PlainSerializer(exact, when_used="json"),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": ID_MAX}),
]
"""An id in an answer."""

ShownObject = Annotated[
    dict[str, Any],
    PlainSerializer(all_exact, when_used="json"),
    WithJsonSchema({"type": "object", "additionalProperties": True}),
]
"""An object in an answer whose fields are not listed; every number in it is serialized as an id is."""

_is_decimal_id = re.compile("[1-9][0-9]{0,18}").fullmatch


def numbers_of(value: Any, *, is_id: bool = False) -> Any:
    """The body with its ids in decimal text as numbers. Other text stays, for validation to refuse."""
    if isinstance(value, dict):
        return {name: numbers_of(inner, is_id=name in ID_NAMES) for name, inner in value.items()}
    if isinstance(value, list):
        return [numbers_of(inner, is_id=is_id) for inner in value]
    return int(value) if is_id and isinstance(value, str) and _is_decimal_id(value) else value


def _is_id(schema: dict[str, Any]) -> bool:
    """Whether it is an integer of 64 bits, as ids are in the contracts. FastAPI turns the limit into a float."""
    return schema.get("type") == "integer" and float(schema.get("maximum", 0)) == float(ID_MAX)


def carry_ids(schema: Any) -> Any:
    """The schema with a reference to `Id` for each integer of 64 bits; description, examples and default stay."""
    if isinstance(schema, list):
        return [carry_ids(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if _is_id(schema):
        own = {name: schema[name] for name in ("description", "examples", "default") if name in schema}
        return {"$ref": "#/components/schemas/Id", **own}
    return {name: carry_ids(value) for name, value in schema.items()}
