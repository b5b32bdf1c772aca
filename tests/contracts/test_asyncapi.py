"""The AsyncAPI document keeps the standard's structure, resolves in itself, and its examples are valid messages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from contracts import asyncapi, schema
from contracts.catalogue import ALL, kind_of
from contracts.envelope import message_of

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


def test_it_has_the_structure_of_the_standard(document: dict[str, Any]) -> None:
    standard = Draft7Validator(json.loads(STANDARD.read_text("utf-8")))

    assert [error.json_path for error in standard.iter_errors(document)] == []


def test_the_standard_would_notice(document: dict[str, Any]) -> None:
    standard = Draft7Validator(json.loads(STANDARD.read_text("utf-8")))
    servers = {"rabbitmq": {"protocol": "amqp"}}

    assert not standard.is_valid({**document, "asyncapi": "2.6.0"})
    assert not standard.is_valid({**document, "servers": servers})


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    references = set(_references(document))

    assert references
    for reference in references:
        assert _resolve(document, reference) is not None


def test_every_key_is_one_that_parsers_take(document: dict[str, Any]) -> None:
    for section in (document["channels"], document["operations"], *document["components"].values()):
        assert all(KEY.fullmatch(key) for key in section)


def test_nothing_is_described_that_nothing_uses(document: dict[str, Any]) -> None:
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
    ("name", "exchange"), [("order.place.v2", "tributary.commands"), ("order.paid.v1", "tributary.events")]
)
def test_a_channel_says_where_to_publish(document: dict[str, Any], name: str, exchange: str) -> None:
    channel = document["channels"][name]

    assert channel["address"] == name
    assert channel["bindings"]["amqp"] == {
        "is": "routingKey",
        "exchange": {"name": exchange, "type": "topic", "durable": True, "autoDelete": False},
        "bindingVersion": "0.3.0",
    }


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_example_is_valid_by_its_schema_and_by_its_model(document: dict[str, Any], name: str) -> None:
    message = document["components"]["messages"][name]
    (example,) = message["examples"]

    Draft7Validator({**message["payload"], "components": document["components"]}).validate(example["payload"])
    decoded = message_of(ALL[name]).model_validate_json(json.dumps(example["payload"]))
    assert json.loads(decoded.to_bytes()) == example["payload"]
    assert message["contentType"] == "application/cloudevents+json"


def test_it_is_generated_the_same_each_time(document: dict[str, Any]) -> None:
    assert asyncapi.document() == document


def test_a_stale_document_is_reported_and_exported(tmp_path: Path) -> None:
    path = tmp_path / "asyncapi.json"
    stale = "asyncapi.json is stale: run `tributary schema export`."
    schema.export(tmp_path / "schemas", None)
    assert schema.check(tmp_path / "schemas", path) == [stale]

    path.write_text("{}", "utf-8")
    assert schema.check(tmp_path / "schemas", path) == [stale]

    assert schema.export(tmp_path / "schemas", path).written == [path]
    assert schema.check(tmp_path / "schemas", path) == []
