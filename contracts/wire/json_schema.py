"""The JSON Schema (draft 2020-12) of each message as it is on the wire, envelope and data together.

A command's schema describes what is accepted, an event's what is sent: amounts are strings or numbers in the first,
always strings in the second.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic.json_schema import JsonSchemaMode

from contracts.wire.envelope import Payload, message_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DEPTH_MAX = 12
_FORMATS = {
    "date-time": "2026-11-02T09:30:00Z",
    "date": "2026-11-22",
    "uuid": "2f6c9a52-4d1e-4c7b-9a0e-0c1f7f6f3f11",
    "uri": "https://shop.example/callback",
    "binary": "",
}

_REQUIRED_BY_CLOUDEVENTS = ("id", "source", "specversion", "type")


@cache
def schema_of(payload: type[Payload]) -> dict[str, Any]:
    """Return the schema of the message that carries `payload`. All callers share it, so none may change it."""
    # The catalogue imports every message, which the schema of a rule set does not need.
    from contracts.wire.catalogue import kind_of

    mode: JsonSchemaMode = "validation" if kind_of(payload) == "command" else "serialization"
    schema = message_of(payload).model_json_schema(mode=mode)
    # Our reader fills in attributes that are always the same; senders must follow the standard.
    schema["required"] = sorted({*schema["required"], *_REQUIRED_BY_CLOUDEVENTS})
    return {
        **schema,
        "$schema": DIALECT,
        "title": payload.message_type,
        "description": described(payload),
    }


_NAMED = ("properties", "patternProperties", "$defs")
_VALUES = ("examples", "example", "default", "const", "enum")


def without_titles(schema: Any) -> Any:
    """The schema without the titles that pydantic derives from field names, which are not unique.

    Generators name classes by title, so only a schema that is a class of its own has one.
    """
    if isinstance(schema, list):
        return [without_titles(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for name, value in schema.items():
        if name == "title" and isinstance(value, str):
            continue
        if name in _VALUES:
            kept[name] = value
        elif name in _NAMED:
            kept[name] = {field: without_titles(inner) for field, inner in value.items()}
        else:
            kept[name] = without_titles(value)
    return kept


def example_value(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int = 0) -> Any:
    """A value of the schema, built from the examples of its parts; `schemas` are the targets of `$ref`."""
    if schema.get("examples"):
        return schema["examples"][0]
    if "$ref" in schema:
        return example_value(schemas[schema["$ref"].rpartition("/")[2]], schemas, depth)
    for given in ("const", "default"):
        if schema.get(given) not in (None, [], {}):
            return schema[given]
    if schema.get("enum"):
        return schema["enum"][0]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            own = {name: value for name, value in schema.items() if name in ("minItems", "maxItems")}
            first = next((one for one in schema[several] if one.get("type") != "null"), schema[several][0])
            return example_value({**first, **own}, schemas, depth)
    if "allOf" in schema:
        parts = [example_value(part, schemas, depth) for part in schema["allOf"]]
        return {name: value for part in parts for name, value in part.items()} if len(parts) > 1 else parts[0]
    return _plain_example(schema, schemas, depth)


def _plain_example(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int) -> Any:
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            required = schema.get("required", ())
            shown = [name for name in properties if name in required or depth < _DEPTH_MAX // 4]
            made = {name: example_value(properties[name], schemas, depth + 1) for name in shown if depth < _DEPTH_MAX}
            return {name: value for name, value in made.items() if value is not None or name in required}
        case "array":
            if depth >= _DEPTH_MAX:
                return []
            return [example_value(schema.get("items", {}), schemas, depth + 1)] * max(1, schema.get("minItems", 1))
        case "integer" | "number":
            return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        case "boolean":
            return True
        case "string":
            return _FORMATS.get(schema.get("format", ""), "text"[: schema.get("maxLength", 4)])
        case _:
            return None


def described(payload: type[Payload]) -> str:
    """The message's docstring on one line; without a docstring, its type."""
    own = payload.__dict__.get("__doc__") or ""
    return " ".join(own.split()) or f"{payload.__name__}, carried as `{payload.message_type}`."


def to_text(document: dict[str, Any]) -> str:
    """The document as text, with sorted keys."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
