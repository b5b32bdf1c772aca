"""The AsyncAPI document follows the standard, its references resolve, and its examples are valid messages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from contracts.wire import asyncapi, schema
from contracts.wire.catalogue import ALL, kind_of
from contracts.wire.envelope import message_of
from infra.processes import clock

STANDARD = Path(__file__).parent / "asyncapi-3.0.0.schema.json"
KEY = re.compile(r"[a-zA-Z0-9.\-_]+")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return asyncapi.document()


def _resolve(document: dict[str, Any], reference: str) -> Any:
    assert reference.startswith("#/"), reference
    found: Any = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


@pytest.mark.slow
def test_the_document_is_valid_asyncapi(document: dict[str, Any]) -> None:
    standard = Draft7Validator(json.loads(STANDARD.read_text("utf-8")))

    assert [error.json_path for error in standard.iter_errors(document)] == []


def test_an_invalid_document_fails_the_standard(document: dict[str, Any]) -> None:
    standard = Draft7Validator(json.loads(STANDARD.read_text("utf-8")))
    servers = {"rabbitmq": {"protocol": "amqp"}}

    assert not standard.is_valid({**document, "asyncapi": "2.6.0"})
    assert not standard.is_valid({**document, "servers": servers})


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    references = set(_references(document))

    assert references
    for reference in references:
        assert _resolve(document, reference) is not None


def test_every_key_is_valid(document: dict[str, Any]) -> None:
    for section in (document["channels"], document["operations"], *document["components"].values()):
        assert all(KEY.fullmatch(key) for key in section)


def test_every_component_is_used(document: dict[str, Any]) -> None:
    used = set(_references(document))

    for section, parts in document["components"].items():
        assert {f"#/components/{section}/{key}" for key in parts} <= used


def test_the_system_receives_commands_and_sends_events(document: dict[str, Any]) -> None:
    operations = {
        (_resolve(document, operation["channel"]["$ref"])["address"], operation["action"])
        for operation in document["operations"].values()
    }

    assert operations == {
        (name, "receive" if kind_of(payload) == "command" else "send") for name, payload in ALL.items()
    }


@pytest.mark.parametrize(
    ("name", "exchange"),
    [
        ("order.place.v2", "tributary.shops"),
        ("product.define.v1", "tributary.commands"),
        ("order.paid.v1", "tributary.events"),
    ],
)
def test_a_channel_names_its_exchange(document: dict[str, Any], name: str, exchange: str) -> None:
    channel = document["channels"][name]

    assert channel["address"] == name
    assert channel["bindings"]["amqp"] == {
        "is": "routingKey",
        "exchange": {"name": exchange, "type": "topic", "durable": True, "autoDelete": False},
        "bindingVersion": "0.3.0",
    }


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_example_matches_its_schema_and_its_model(document: dict[str, Any], name: str) -> None:
    message = document["components"]["messages"][name]
    (example,) = message["examples"]

    Draft7Validator({**message["payload"], "components": document["components"]}).validate(example["payload"])
    sent = example["payload"][0] if kind_of(ALL[name]) == "event" else example["payload"]
    decoded = message_of(ALL[name]).model_validate_json(json.dumps(sent))
    assert json.loads(decoded.to_bytes()) == sent


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_payload_has_its_wire_form(document: dict[str, Any], name: str) -> None:
    """Events leave in batches, as infra/runtime/outbox.py packs them; a command may be sent by itself."""
    message = document["components"]["messages"][name]
    payload = _resolve(document, message["payload"]["$ref"])

    if kind_of(ALL[name]) == "event":
        assert message["contentType"] == "application/cloudevents-batch+json"
        assert payload["type"] == "array"
        payload = _resolve(document, payload["items"]["$ref"])
    else:
        assert message["contentType"] == "application/cloudevents+json"
    assert payload["properties"]["type"]["const"] == name


def test_the_clock_sends_a_batch() -> None:
    ticked = clock.tick(29_500_000, 60)

    assert ticked.content_type == "application/cloudevents-batch+json"
    assert [event["type"] for event in json.loads(ticked.body)] == ["clock.ticked.v1"]


def test_every_operation_has_a_typed_message(document: dict[str, Any]) -> None:
    for operation in document["operations"].values():
        for reference in operation["messages"]:
            message = _resolve(document, _resolve(document, reference["$ref"])["$ref"])
            assert _resolve(document, message["payload"]["$ref"])["type"] in ("object", "array")


def test_schema_names_are_unique(document: dict[str, Any]) -> None:
    """Generators name classes by keys or by titles, most of them in one namespace, and without dots."""
    schemas = document["components"]["schemas"]
    titles = list(_titles(schemas))

    assert sorted(titles) == sorted(schemas), "each schema has its key as its title, and no part has a title"
    assert all(re.fullmatch("[A-Z][A-Za-z0-9]*", name) for name in schemas)
    assert len({name.casefold() for name in schemas}) == len(schemas)


def _titles(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "title" and isinstance(inner, str):
                yield inner
            elif name not in ("examples", "example", "default", "const", "enum"):
                yield from _titles(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _titles(inner)


def test_generation_is_deterministic(document: dict[str, Any]) -> None:
    assert asyncapi.document() == document


@pytest.mark.slow
def test_a_stale_document_is_reported_and_exported(tmp_path: Path) -> None:
    path = tmp_path / "asyncapi.json"
    stale = "asyncapi.json is stale: run `tributary schema export`."
    schema.export(tmp_path / "schemas", None)
    assert schema.check(tmp_path / "schemas", path) == [stale]

    path.write_text("{}", "utf-8")
    assert schema.check(tmp_path / "schemas", path) == [stale]

    assert schema.export(tmp_path / "schemas", path).written == [path]
    assert schema.check(tmp_path / "schemas", path) == []
