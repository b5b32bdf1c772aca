"""The JSON Schema (draft 2020-12) of each message as it is on the wire, envelope and data together.

A command's schema says what is accepted, an event's what is sent: amounts are strings or numbers in the first, always
strings in the second.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import JsonSchemaMode

from contracts.wire.envelope import Payload, message_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_REQUIRED_BY_CLOUDEVENTS = ("id", "source", "specversion", "type")


def schema_of(payload: type[Payload]) -> dict[str, Any]:
    """Return the schema of the message that carries `payload`."""
    # The catalogue loads every message there is, which the schema of a rule set does not need.
    from contracts.wire.catalogue import kind_of

    mode: JsonSchemaMode = "validation" if kind_of(payload) == "command" else "serialization"
    schema = message_of(payload).model_json_schema(mode=mode)
    # Reading is lenient and fills in what is always the same; a sender is held to the standard.
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
    """The schema without the titles that pydantic makes of the names of fields, which many fields share.

    Generators take a title for the name of a class, so only a schema that is a class of its own has one.
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


def described(payload: type[Payload]) -> str:
    """What the message says of itself, on one line; a message without words of its own is described by its type."""
    own = payload.__dict__.get("__doc__") or ""
    return " ".join(own.split()) or f"{payload.__name__}, carried as `{payload.message_type}`."


def to_text(document: dict[str, Any]) -> str:
    """The same text for the same document, whatever order it was built in."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
