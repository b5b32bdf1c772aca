"""One valid example of each message, built from the examples of its fields."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from pydantic import ValidationError

from contracts.wire.catalogue import kind_of
from contracts.wire.envelope import Message, Payload, derived_id, message_of
from contracts.wire.json_schema import example_value

AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)

_TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def example_of(payload: type[Payload]) -> Message[Payload]:
    """Return a message with every field filled in.

    Raises ValueError, naming the field, if the fields' examples do not make a valid message.
    """
    schema = payload.model_json_schema()
    try:
        data = payload.model_validate_json(json.dumps(example_value(schema, schema.get("$defs", {}))))
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
