"""Checks of our own for the fuzzing: what a refusal says, beside its status."""

from __future__ import annotations

import schemathesis
from schemathesis import Case, CheckContext, GenerationMode, Response

_REFUSED_AS_SUCH = {"invalid_request", "malformed_request", "unsupported_media_type"}


_BEYOND_SCHEMAS = {"value_error", "int_type", "decimal_max_digits", "decimal_max_places", "decimal_whole_digits"}
"""Rules between fields, which the description says in words; and numbers that floating point makes of money and of ids:
7.0 is an integer to JSON Schema, and 1e300 an amount."""


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
