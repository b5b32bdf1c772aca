"""Completes the OpenAPI 3.1 document: every answer of every operation, with an example.

A route declares its own answers. Those that all routes share are added here, so that no route can forget them; examples
are composed of the fields' examples.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from api.http.ids import ID_SCHEMA, carry_ids
from api.http.limits import is_unlimited
from api.http.problems import (
    MEDIA_TYPE,
    REASON_CODES,
    TYPES_AT,
    UNRESOLVED,
    ProblemDetails,
    Reason,
    problem_answer,
)
from contracts.wire.json_schema import example_value, without_titles

_METHODS = ("get", "put", "post", "patch", "delete")
_REASON = re.compile(r"`([a-z0-9_]+)`")
_GUARDED = ("unauthenticated", "invalid_token", "insufficient_scope")
_ALWAYS = ("invalid_request", "inconsistent_request", "store_unavailable")
_LIMIT_HEADERS = {
    "RateLimit-Policy": ("How many requests in how many seconds.", '"principal";q=1200;w=60'),
    "RateLimit": ("How many are left, and in how many seconds the quota is full again.", '"principal";r=1199;t=1'),
}
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "schema": {"type": "string", "examples": ["1"]},
    }
}

Document = dict[str, Any]


def document_of(app: FastAPI) -> Document:
    """The document, built once per application."""
    reasons: Mapping[str, Reason] = app.state.reasons
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, summary=app.summary, openapi_version="3.1.0", routes=app.routes
        )
        _add_problem_schema(document)
        schemas = document["components"]["schemas"]
        for _, _, operation in operations(document):
            _name_bodies(operation, schemas)
        document["paths"] = without_titles(carry_ids(document["paths"]))
        schemas |= {name: _class(name, schema) for name, schema in schemas.items()} | {"Id": ID_SCHEMA}
        for path, _, operation in operations(document):
            _complete(path, operation, reasons)
            for content in _contents(operation, reasons):
                _show_example(content, schemas)
        app.openapi_schema = document
    return app.openapi_schema


def _class(name: str, schema: Document) -> Document:
    """A named schema: it has a title, its fields have none."""
    return {**without_titles(carry_ids(schema)), "title": schema.get("title", name)}


def _name_bodies(operation: Document, schemas: Document) -> None:
    """Name each inline object schema of a body: client generators lose unnamed ones."""
    for content in (operation.get("requestBody") or {}).get("content", {}).values():
        holder, key = (content["schema"], "items") if content["schema"].get("type") == "array" else (content, "schema")
        schema = holder[key]
        if schema.get("type") == "object":
            name = schema.get("title") or operation["operationId"][:1].upper() + operation["operationId"][1:] + "Form"
            schemas[name] = {**schema, "title": name}
            holder[key] = {"$ref": f"#/components/schemas/{name}"}


def operation_id(route: APIRoute) -> str:
    """`list_users` becomes `listUsers`, the usual form in clients."""
    first, *rest = route.name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Document]]:
    """Path, method and operation of each operation."""
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield path, method, item[method]


def _add_problem_schema(document: Document) -> None:
    schema = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas |= schema.pop("$defs", {})
    schemas[ProblemDetails.__name__] = schema
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)


def _complete(path: str, operation: Document, reasons: Mapping[str, Reason]) -> None:
    """Add the answers for the reasons of the route, and for those that every operation of its kind shares."""
    answers = operation["responses"]
    guarded = _GUARDED if operation.get("security") else ()
    if UNRESOLVED in answers:
        own = answers.pop(UNRESOLVED)[REASON_CODES]
        _add_answers(answers, (*guarded, *own, *_ALWAYS), reasons)
    shared = () if is_unlimited(path) else ("too_many_requests",)
    if "requestBody" in operation:
        shared = (*shared, "malformed_request", "body_too_large")
    if "HTTPValidationError" in str(answers.get("422")):
        del answers["422"]
    if shared or guarded:
        has_input = operation.get("parameters") or "requestBody" in operation
        _add_answers(answers, (*shared, *guarded, *(_ALWAYS if has_input else _ALWAYS[-1:])), reasons)
    for status, answer in answers.items():
        if status in ("429", "503"):
            answer.setdefault("headers", {}).update(deepcopy(_RETRY_AFTER))
        if not is_unlimited(path):
            for name, (about, example) in _LIMIT_HEADERS.items():
                header = {"description": about, "schema": {"type": "string", "examples": [example]}}
                answer.setdefault("headers", {}).setdefault(name, header)


def _add_answers(answers: Document, codes: Sequence[str], reasons: Mapping[str, Reason]) -> None:
    """Add an answer for each status without one. Raises ValueError for a reason in no table."""
    by_status: dict[str, list[str]] = {}
    if unknown := set(codes) - reasons.keys():
        raise ValueError(f"no table of reasons in api.app has {', '.join(sorted(unknown))}")
    for code in dict.fromkeys(codes):
        by_status.setdefault(str(reasons[code].status), []).append(f"`{code}`: {reasons[code].en}")
    for status, sentences in by_status.items():
        answers.setdefault(status, problem_answer(" ".join(sentences)))


def _contents(operation: Mapping[str, Any], reasons: Mapping[str, Reason]) -> Iterator[Document]:
    """Each media type of the request and of each answer; a problem's example has its own reason."""
    yield from (operation.get("requestBody") or {}).get("content", {}).values()
    for status, answer in operation["responses"].items():
        for media_type, content in answer.get("content", {}).items():
            if media_type == MEDIA_TYPE and (reason := _REASON.search(answer.get("description", ""))):
                content.setdefault("example", _problem(reason.group(1), int(status), reasons))
            yield content


def _problem(reason: str, status: int, reasons: Mapping[str, Reason]) -> Document:
    return {
        "type": TYPES_AT + reason,
        "title": reasons[reason].en if reason in reasons else reason,
        "status": status,
        "reason": reason,
        "request_id": "7b1e8c9e-2f0a-4f39-9f55-2a6a7c1f6f0e",
    }


def _show_example(content: Document, schemas: Mapping[str, Any]) -> None:
    if content.get("schema") and "example" not in content and "examples" not in content:
        content["example"] = example_value(content["schema"], schemas)
