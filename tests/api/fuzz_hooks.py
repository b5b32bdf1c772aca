"""Hooks for the fuzzing: examples with ids that exist, a sample of the values, and checks of a refusal's body."""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, GenerationMode, Response
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import CoveragePhaseData

from tests.sampling import sampled

_INVALID_REASONS = {"invalid_request", "malformed_request", "unsupported_media_type"}

_BEYOND_SCHEMAS = {
    *("value_error", "int_type", "decimal_max_digits", "decimal_max_places", "decimal_whole_digits"),
    "too_many_errors",
}
"""Rules between fields, which a schema cannot express; floating-point numbers in money and ids: to JSON Schema 7.0 is
an integer, and 1e300 an amount; and over two hundred errors, whose number alone is in the answer: a list of amounts
that is as long as allowed, in currencies that do not exist, has more."""

_EXISTING: dict[str, Any] = json.loads(os.environ.get("FUZZ_IDS", "{}"))
"""Existing ids, by the name of their parameter: `{"product_id": 1082185}`."""

_SENDERS: list[str] = json.loads(os.environ.get("FUZZ_SENDERS", "[]"))
"""The ids of the users as whom the requests are sent."""


_OF_A_KIND, _THEN_EVERY = sampled((2, 24), whole=(1, 1))
"""How many cases of a kind are sent at first, and then which."""

_seen: Counter[tuple[Any, ...]] = Counter()


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: Case[Any]) -> bool:
    """Of the valid and invalid values of the parts of a request, send the first ones of each kind, and then some.

    A kind is one error, or one valid form, in one part of one operation. A third of all cases would put each wrong type
    into each field of a rule set, or have a rehearsal, which starts a process, of each valid value.
    """
    if case.meta is None or not isinstance(data := case.meta.phase.data, CoveragePhaseData):
        return True
    mode = case.meta.generation.mode
    kind = (case.operation.label, mode, data.scenario, data.parameter_location, data.parameter)
    number = _seen[kind]
    _seen[kind] += 1
    return number < _OF_A_KIND or number % _THEN_EVERY == 0


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Leave the senders alone: an administrator whose request takes a listed user could log them out."""
    if case.path_parameters and case.path_parameters.get("user_id") in _SENDERS:
        case.path_parameters["user_id"] = _EXISTING["user_id"]


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """Give the examples existing ids: otherwise most requests would end with 404."""
    _use_existing_ids(raw_schema)


def _use_existing_ids(node: Any) -> None:
    if isinstance(node, list):
        for item in node:
            _use_existing_ids(item)
    elif isinstance(node, dict):
        if node.get("in") in ("path", "query") and node.get("name") in _EXISTING:
            node["example"] = _EXISTING[node["name"]]
        for name, value in node.items():
            is_id = name.endswith("_id") and name in _EXISTING
            if is_id and isinstance(value, dict) and "examples" in value:
                value["examples"] = [_EXISTING[name]]
            elif is_id and isinstance(value, int | str):
                node[name] = _EXISTING[name]
            else:
                _use_existing_ids(value)


@schemathesis.check
def documented_input_is_accepted(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """A request that is valid by the description is not refused as invalid."""
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE or response.status_code < 400:
        return
    if case.media_type not in (None, "application/json"):
        # The description of a CSV file or a form is only that it is text.
        return
    if not response.headers.get("content-type", [""])[0].startswith("application/problem+json"):
        return
    problem = response.json()
    errors = problem.get("errors", ())
    # The schema allows any value under a name that does not match the pattern of names.
    names = tuple(error["pointer"].removesuffix("[key]") for error in errors if error["pointer"].endswith("/[key]"))
    rest = [
        error
        for error in errors
        if error["code"] not in _BEYOND_SCHEMAS
        and str(2**63 - 1) not in error["detail"]
        and not f"{error['pointer']}/".startswith(names or ("none",))
    ]
    # A list whose items were refused is reported as too short.
    inner = [error["pointer"] for error in errors]
    rest = [error for error in rest if not any(other.startswith(error["pointer"] + "/") for other in inner)]
    if not errors or rest:
        assert problem["reason"] not in _INVALID_REASONS, f"refused as {problem['reason']}: {rest}"


@schemathesis.check
def a_refusal_has_problem_details(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """Every error is answered with problem details and the request id; OAuth has its own form."""
    if response.status_code < 400 or "/oauth/" in case.operation.path or case.operation.path == "/readyz":
        return
    assert response.headers["content-type"][0] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["request_id"] == response.headers["x-request-id"][0]


@schemathesis.check
def a_bad_line_is_reported(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """Bad lines are refused in the results, though the request as a whole is answered with 200."""
    if case.operation.path != "/api/inventory/adjustments" or response.status_code != 200 or case.meta is None:
        return
    body = case.meta.components.get(ParameterLocation.BODY)
    if body is not None and body.mode is GenerationMode.NEGATIVE:
        assert "invalid" in response.json()["counts"], "invalid lines were accepted"
