"""One valid example of each message, put together from the examples its fields carry."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from contracts.wire.catalogue import kind_of
from contracts.wire.envelope import Message, Payload, derived_id, message_of

AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)

_TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def example_of(payload: type[Payload]) -> Message[Payload]:
    """Return a message with every field filled in.

    Raises ValueError, naming the field, where the examples of the fields do not make a valid message.
    """
    schema = payload.model_json_schema()
    try:
        data = payload.model_validate_json(json.dumps(_value(schema, schema.get("$defs", {}))))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "the whole"
        raise ValueError(
            f"{payload.message_type} has no valid example: {where}: {first['msg']}. Give the field `examples=`."
        ) from error
    about = data.about()
    return message_of(payload)(
        id=derived_id("example", payload.message_type),
        type=payload.message_type,
        source="shop-367" if kind_of(payload) == "command" else "tributary",
        time=AT,
        subject=about,
        correlationid=about,
        traceparent=_TRACEPARENT,
        data=data,
    )


def _value(schema: dict[str, Any], definitions: dict[str, Any]) -> object:
    """The schema's own example, else the simplest value of its type."""
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return _value(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return _value(schema["anyOf"][0], definitions)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        return {name: _value(field, definitions) for name, field in schema.get("properties", {}).items()}
    if kind == "array":
        return [_value(schema["items"], definitions)]
    if "default" in schema:
        return schema["default"]
    if schema.get("format") == "date-time":
        return AT.isoformat()
    return {"boolean": True, "integer": schema.get("minimum", 1), "number": 1, "string": "text"}.get(str(kind))
