"""The AsyncAPI 3.0 document of the system, generated from the catalogue: what it receives, what it sends, and where."""

from __future__ import annotations

import json
import re
from typing import Any

from contracts.catalogue import ALL, Kind, exchange_of, kind_of
from contracts.envelope import BATCH, STRUCTURED, Payload
from contracts.examples import example_of
from contracts.json_schema import described, schema_of

DOCUMENT_VERSION = "1.0.0"
"""Grows with the document's form; each message has its own version in its type."""

_AMQP_BINDING = "0.3.0"
_ACTIONS: dict[Kind, str] = {"command": "receive", "event": "send"}
_PERSISTENT = 2
_OUTSIDE_KEYS = re.compile(r"[^A-Za-z0-9.\-_]+")


def document() -> dict[str, Any]:
    """Return the document as the application Tributary sees itself: it receives commands and sends events."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tributary",
            "version": DOCUMENT_VERSION,
            "description": (
                "The back-end of a distribution network. Each message is a CloudEvents 1.0 event in structured JSON; "
                f"commands may also come in batches (`{BATCH}`), or as a bare JSON body, the data alone, whose type is "
                "the routing key. The routing key is the message type with its version."
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
            "schemas": {"headers": _HEADERS, **_schemas()},
            "correlationIds": {
                "correlation": {
                    "description": "What joins everything that follows from one message.",
                    "location": "$message.payload#/correlationid",
                }
            },
        },
    }


_HEADERS = {
    "type": "object",
    "description": "No header is needed: all attributes are in the body. Other headers are ignored.",
    "additionalProperties": True,
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
                "exchange": {"name": exchange_of(payload), "type": "topic", "durable": True, "autoDelete": False},
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
    return {
        "name": name,
        "title": payload.__name__,
        "summary": described(payload),
        "tags": [{"name": kind_of(payload)}],
        "contentType": STRUCTURED,
        "headers": _reference("components", "schemas", "headers"),
        "correlationId": _reference("components", "correlationIds", "correlation"),
        "payload": _reference("components", "schemas", name),
        "bindings": {"amqp": {"messageType": name, "bindingVersion": _AMQP_BINDING}},
        "examples": [{"name": name, "payload": json.loads(example_of(payload).to_bytes())}],
    }


def _schemas() -> dict[str, Any]:
    """Every schema by its key, the parts of a message's schema under the message's name: versions share no part."""
    found: dict[str, Any] = {}
    for name, payload in ALL.items():
        schema = schema_of(payload)
        keys = {part: f"{name}.{_OUTSIDE_KEYS.sub('_', part)}" for part in schema.get("$defs", {})}
        found[name] = _moved({key: value for key, value in schema.items() if key not in ("$defs", "$schema")}, keys)
        found.update({keys[part]: _moved(value, keys) for part, value in schema.get("$defs", {}).items()})
    return found


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
