"""The description of the API is whole: every operation says what it is, what it may answer, and shows an example."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

from api.app import create_app
from api.limits import is_unlimited
from api.openapi import operations
from infra.runtime.settings import Settings


def _no_ports() -> Any:
    raise AssertionError("describing the API needs no server")


DOCUMENT = create_app(Settings(), _no_ports).openapi()
OPERATIONS = {f"{method.upper()} {path}": operation for path, method, operation in operations(DOCUMENT)}


def test_it_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert sorted(ids) == sorted(set(ids)), "two operations have the same name"


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_documented(name: str) -> None:
    operation = OPERATIONS[name]
    path = name.partition(" ")[2]
    assert operation.get("summary"), "say in a few words what it does"
    assert re.fullmatch("[a-z][A-Za-z0-9]*", operation["operationId"]), "an id is in camel case"
    assert operation.get("tags"), "say what it is about"
    answers = operation["responses"]
    assert any(status.startswith(("2", "3")) for status in answers)
    if not is_unlimited(path):
        assert "429" in answers
        assert any(status.startswith("4") and status != "429" for status in answers) or not operation.get("security")
    if "{" in path and operation.get("security"):
        assert {"401", "403", "404"} <= answers.keys()
    assert _examples(operation), "no answer and no request has an example"
    assert all(answer.get("description") for answer in answers.values())


@pytest.mark.parametrize("name", OPERATIONS)
def test_examples_are_what_they_are_examples_of(name: str) -> None:
    defs = {"components": DOCUMENT["components"]}
    for where, schema, example in _examples(OPERATIONS[name]):
        checker = validator_for({}, default=Draft202012Validator)({**schema, **defs})
        assert [f"{where} {error.json_path}: {error.message}" for error in checker.iter_errors(example)] == []


def _examples(operation: dict[str, Any]) -> list[tuple[str, dict[str, Any], Any]]:
    found = []
    contents = {f"{status}": answer.get("content", {}) for status, answer in operation["responses"].items()}
    contents["request"] = (operation.get("requestBody") or {}).get("content", {})
    for where, content in contents.items():
        if where != "request" and not where.startswith("2"):
            continue
        for media_type, told in content.items():
            shown = [told["example"]] if "example" in told else []
            shown += [one["value"] for one in told.get("examples", {}).values()]
            found += [(f"{where} {media_type}", told.get("schema", {}), value) for value in shown]
    return found
