"""The AsyncAPI 3.0 document of the system, generated from the catalogue: what it receives, what it sends, and where."""

from __future__ import annotations

import json
import re
from typing import Any

from contracts.wire.catalogue import ALL, Kind, exchange_of, kind_of
from contracts.wire.envelope import BATCH, STRUCTURED, Payload
from contracts.wire.examples import example_of
from contracts.wire.json_schema import described, schema_of, without_titles

DOCUMENT_VERSION = "2.0.0"
"""The version of the document's structure; each message has its own version in its type."""

_AMQP_BINDING = "0.3.0"
_ACTIONS: dict[Kind, str] = {"command": "receive", "event": "send"}
_PERSISTENT = 2
_ENVELOPE = "the envelope"
_BETWEEN_WORDS = re.compile(r"[^A-Za-z0-9]+")


def document() -> dict[str, Any]:
    """Return the document as the application Tributary sees itself: it receives commands and sends events."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tributary",
            "version": DOCUMENT_VERSION,
            "description": (
                "The back-end of a distribution network. Messages are CloudEvents 1.0 in JSON. Events are sent in "
                f"batches (`{BATCH}`): an array, even with one event. A command is sent as one CloudEvent "
                f"(`{STRUCTURED}`); it may also come in a batch, or as a bare JSON body, which is the data "
                "alone; its type is the routing key. The routing key is the message type with its version. No header "
                "is needed. A shop publishes its commands to `tributary.shops` with its login, `shop.<shop id>`, as "
                "`user_id`, and reads answers and events of its orders from its own queue, `shop.<shop id>.events`. "
                "Ids are 64-bit integers: a reader with floating point numbers has to read them from the "
                "text."
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": STRUCTURED,
        "servers": {
            "rabbitmq": {
                "host": "{host}",
                "protocol": "amqp",
                "protocolVersion": "0-9-1",
                "description": "RabbitMQ, with quorum queues.",
                "variables": {"host": {"default": "localhost:5672", "description": "Host and port of the broker."}},
            }
        },
        "channels": {name: _channel(payload) for name, payload in ALL.items()},
        "operations": {f"{_action(payload)}.{name}": _operation(payload) for name, payload in ALL.items()},
        "components": {
            "messages": {name: _message(payload) for name, payload in ALL.items()},
            "schemas": _schemas(),
            "correlationIds": {
                "correlation": {
                    "description": "Shared by everything that follows from one command; each event of a batch has its "
                    "own `correlationid`.",
                    "location": "$message.payload#/correlationid",
                }
            },
        },
    }


def _action(payload: type[Payload]) -> str:
    return _ACTIONS[kind_of(payload)]


def _channel(payload: type[Payload]) -> dict[str, Any]:
    name = payload.message_type
    return {
        "address": name,
        "title": name,
        "description": described(payload),
        "servers": [_reference("servers", "rabbitmq")],
        "messages": {name: _reference("components", "messages", name)},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {
                    "name": exchange_of(payload),
                    "type": "direct" if payload.to_one_shop else "topic",
                    "durable": True,
                    "autoDelete": False,
                },
                "bindingVersion": _AMQP_BINDING,
            }
        },
    }


def _operation(payload: type[Payload]) -> dict[str, Any]:
    name = payload.message_type
    return {
        "action": _action(payload),
        "channel": _reference("channels", name),
        "title": name,
        "summary": described(payload),
        "messages": [_reference("channels", name, "messages", name)],
        "bindings": {"amqp": {"deliveryMode": _PERSISTENT, "bindingVersion": _AMQP_BINDING}},
    }


def _message(payload: type[Payload]) -> dict[str, Any]:
    name = payload.message_type
    example = json.loads(example_of(payload).to_bytes())
    common = {
        "name": name,
        "title": name,
        "summary": described(payload),
        "tags": [{"name": kind_of(payload)}],
        "bindings": {"amqp": {"messageType": name, "bindingVersion": _AMQP_BINDING}},
    }
    if kind_of(payload) == "event":
        return {
            **common,
            "contentType": BATCH,
            "payload": _reference("components", "schemas", _key(name, "Batch")),
            "examples": [{"name": name, "payload": [example]}],
        }
    return {
        **common,
        "contentType": STRUCTURED,
        "correlationId": _reference("components", "correlationIds", "correlation"),
        "payload": _reference("components", "schemas", _key(name)),
        "examples": [{"name": name, "payload": example}],
    }


def _schemas() -> dict[str, Any]:
    """Every schema by its key, which is its title too: generators name classes by either.

    The key begins with the message type, so that versions share no part and all names are unique.
    """
    found: dict[str, Any] = {}
    for name, payload in ALL.items():
        schema = schema_of(payload)
        parts = schema.get("$defs", {})
        data = schema["properties"]["data"]["$ref"].removeprefix("#/$defs/")
        keys = {part: _key(name, "Data" if part == data else part) for part in parts}
        whole = {key: value for key, value in schema.items() if key not in ("$defs", "$schema")}
        named = {_key(name): whole, **{keys[part]: value for part, value in parts.items()}}
        if kind_of(payload) == "event":
            named[_key(name, "Batch")] = {"type": "array", "minItems": 1, "items": {"$ref": f"#/$defs/{_ENVELOPE}"}}
            keys[_ENVELOPE] = _key(name)
        for key, value in named.items():
            found[key] = {**_moved(without_titles(value), keys), "title": key}
    return found


def _key(name: str, part: str = "") -> str:
    """`order.place.v2` and `OrderLine` are `OrderPlaceV2OrderLine`."""
    return "".join(word[:1].upper() + word[1:] for word in _BETWEEN_WORDS.split(f"{name}.{part}"))


def _moved(schema: Any, keys: dict[str, str]) -> Any:
    """The schema with its references pointing into the components instead of its own `$defs`."""
    if isinstance(schema, list):
        return [_moved(item, keys) for item in schema]
    if not isinstance(schema, dict):
        return schema
    moved = {name: _moved(value, keys) for name, value in schema.items()}
    if isinstance(reference := schema.get("$ref"), str):
        moved["$ref"] = f"#/components/schemas/{keys[reference.removeprefix('#/$defs/')]}"
    return moved


def _reference(*path: str) -> dict[str, str]:
    return {"$ref": "#/" + "/".join(path)}
