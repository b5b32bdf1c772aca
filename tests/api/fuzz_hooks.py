"""The fuzzing's own part: examples that name what is there, and checks of what a refusal says, beside its status."""

from __future__ import annotations

import json
import os
from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, GenerationMode, Response
from schemathesis.core.parameters import ParameterLocation

_REFUSED_AS_SUCH = {"invalid_request", "malformed_request", "unsupported_media_type"}

_BEYOND_SCHEMAS = {"value_error", "int_type", "decimal_max_digits", "decimal_max_places", "decimal_whole_digits"}
"""Rules between fields, which the description says in words; and numbers that floating point makes of money and of ids:
7.0 is an integer to JSON Schema, and 1e300 an amount."""

_THERE: dict[str, Any] = json.loads(os.environ.get("FUZZ_THERE", "{}"))
"""What exists, by the name that its id has in the description: `{"product_id": 1082185}`."""


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """Examples name what is there, or most requests would end with 404 and reach nothing behind it."""
    _name_what_is_there(raw_schema)


def _name_what_is_there(node: Any) -> None:
    if isinstance(node, list):
        for item in node:
            _name_what_is_there(item)
    elif isinstance(node, dict):
        if node.get("in") in ("path", "query") and node.get("name") in _THERE:
            node["example"] = _THERE[node["name"]]
        for name, value in node.items():
            is_id = name.endswith("_id") and name in _THERE
            if is_id and isinstance(value, dict) and "examples" in value:
                value["examples"] = [_THERE[name]]
            elif is_id and isinstance(value, int | str):
                node[name] = _THERE[name]
            else:
                _name_what_is_there(value)


@schemathesis.check
def documented_input_is_understood(ctx: CheckContext, response: Response, case: Case) -> None:
    """A request that follows the description is not refused for its form."""
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE or response.status_code < 400:
        return
    if case.media_type not in (None, "application/json"):
        # Of a CSV file or a form the description says only that it is text.
        return
    if not response.headers.get("content-type", [""])[0].startswith("application/problem+json"):
        return
    told = response.json()
    errors = told.get("errors", ())
    # A name beyond the pattern of names may stand for anything, says its schema.
    names = tuple(error["pointer"].removesuffix("[key]") for error in errors if error["pointer"].endswith("/[key]"))
    rest = [
        error
        for error in errors
        if error["code"] not in _BEYOND_SCHEMAS
        and str(2**63 - 1) not in error["detail"]
        and not f"{error['pointer']}/".startswith(names or ("none",))
    ]
    # A list is too short when its items were refused.
    inner = [error["pointer"] for error in errors]
    rest = [error for error in rest if not any(other.startswith(error["pointer"] + "/") for other in inner)]
    if not errors or rest:
        assert told["reason"] not in _REFUSED_AS_SUCH, f"refused as {told['reason']}: {rest}"


@schemathesis.check
def a_refusal_is_a_problem(ctx: CheckContext, response: Response, case: Case) -> None:
    """Whatever goes wrong is told as problem details, with this request's id; OAuth has its own form."""
    if response.status_code < 400 or "/oauth/" in case.operation.path or case.operation.path == "/readyz":
        return
    assert response.headers["content-type"][0] == "application/problem+json"
    told = response.json()
    assert told["status"] == response.status_code
    assert told["request_id"] == response.headers["x-request-id"][0]


@schemathesis.check
def a_bad_line_is_told(ctx: CheckContext, response: Response, case: Case) -> None:
    """Of many lines the bad ones are refused in the results, though the request as a whole is answered with 200."""
    if case.operation.path != "/api/inventory/adjustments" or response.status_code != 200 or case.meta is None:
        return
    body = case.meta.components.get(ParameterLocation.BODY)
    if body is not None and body.mode is GenerationMode.NEGATIVE:
        assert "invalid" in response.json()["counts"], "nothing was found wrong with lines that break the description"
