"""The OpenAPI document is complete: every operation has a summary, its answers, and an example."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

from api.http.limits import is_unlimited
from api.http.openapi import operations
from tests.described import api_document

DOCUMENT = api_document()
OPERATIONS = {f"{method.upper()} {path}": operation for path, method, operation in operations(DOCUMENT)}


def test_the_document_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert sorted(ids) == sorted(set(ids)), "two operations have the same name"


def test_no_two_schemas_have_the_same_name() -> None:
    """Generators name classes by keys or by titles, and make a class of a field with a title."""
    schemas = DOCUMENT["components"]["schemas"]
    titles = [schema["title"] for schema in schemas.values()]
    others = [
        f"{title} of {key}" for key, schema in schemas.items() if (title := schema["title"]) != key and title in schemas
    ]

    assert others == [], "a title is the name of another schema"
    assert len({title.casefold() for title in titles}) == len(titles)
    assert all(re.fullmatch("[A-Z][A-Za-z0-9]*", title) for title in titles)
    assert sorted(_titles(DOCUMENT["paths"]) + _titles(schemas)) == sorted(titles), "a part has a title"


def _titles(value: Any) -> list[str]:
    if isinstance(value, list):
        return [title for inner in value for title in _titles(inner)]
    if not isinstance(value, dict):
        return []
    own = [value["title"]] if isinstance(value.get("title"), str) else []
    inner = [one for name, one in value.items() if name not in ("example", "examples", "default")]
    return own + [title for one in inner for title in _titles(one)]


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_body_and_every_answer_has_a_type(name: str) -> None:
    operation = OPERATIONS[name]
    for status, answer in operation["responses"].items():
        is_empty = status in ("204", "303", "304")
        assert bool(answer.get("content")) is not is_empty, f"{status} has no content"
        for media_type, content in answer.get("content", {}).items():
            assert _is_typed(content.get("schema"), media_type), f"{status} {media_type}"
    for media_type, content in (operation.get("requestBody") or {}).get("content", {}).items():
        assert _is_typed(content.get("schema"), media_type), media_type


def _is_typed(schema: Any, media_type: str) -> bool:
    """A class, a list or a choice of classes; text where the media type is text, bytes where it is PDF."""
    match schema:
        case {"$ref": _}:
            return True
        case {"type": "array", "items": items}:
            return _is_typed(items, media_type)
        case {"oneOf": choices} | {"anyOf": choices}:
            return all(_is_typed(choice, media_type) for choice in choices)
        case {"type": "string", "format": "binary"}:
            return media_type == "application/pdf"
        case {"type": "string"}:
            return media_type.startswith("text/")
    return False


def test_every_field_has_a_type() -> None:
    type_keywords = {"type", "$ref", "anyOf", "oneOf", "allOf", "const", "enum"}
    without = [
        f"{name}.{field}"
        for name, schema in DOCUMENT["components"]["schemas"].items()
        for field, inner in schema.get("properties", {}).items()
        if not type_keywords & inner.keys() or (inner.get("type") == "array" and "items" not in inner)
    ]
    assert without == []


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_documented(name: str) -> None:
    operation = OPERATIONS[name]
    path = name.partition(" ")[2]
    assert operation.get("summary"), "add a summary"
    assert re.fullmatch("[a-z][A-Za-z0-9]*", operation["operationId"]), "an id is in camel case"
    assert operation.get("tags"), "add a tag"
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
def test_examples_match_their_schemas(name: str) -> None:
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
        for media_type, body in content.items():
            shown = [body["example"]] if "example" in body else []
            shown += [one["value"] for one in body.get("examples", {}).values()]
            found += [(f"{where} {media_type}", body.get("schema", {}), value) for value in shown]
    return found
