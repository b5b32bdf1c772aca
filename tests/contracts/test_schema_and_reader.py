"""The published schema and the reader accept and refuse the same values, in every field.

Test values are put into each place of each message's example, and both check them. Allowed differences are listed
here, each with its reason. An event's published schema describes what is sent, with amounts as text only; its reader
also accepts JSON numbers, so it is compared with the schema of what it accepts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.fields import Amount, Rate, SignedAmount
from contracts.rules.document import EXAMPLE as RULES
from contracts.rules.document import RuleDocument
from contracts.wire.catalogue import ALL, kind_of
from contracts.wire.envelope import Timestamp, message_of
from contracts.wire.examples import example_of
from contracts.wire.json_schema import schema_of
from tests.sampling import sampled

Path = tuple[str | int, ...]

NUMBERS: list[Any] = [
    0, 1, -1, 3, 0.5, 1.5, -0.5, -0.0, 59.8, 0.12345, 0.00001, 1.0, 999_999_999_999.9999, 1e12, 1e300, 2**31, 2**53,
    2**63 - 1, 2**63, -(2**63), 10**30,
]  # fmt: skip
NUMBER_TEXTS: list[Any] = [
    "0", "1", "-1", "+1", "-0", "-0.00", "01", "1.", ".5", ".", "-", "0.05", "59.80", "-1.5", "1__0", "1_0", "1e2",
    "1E2", "５９.８０", "٥", "² ", " 59.80 ", "59.80 ", "59.80\n", "\t1", "1,5", "1 000", "0x10", "NaN",
    "Infinity", "-inf", "sNaN", "0.12345", "0.1234567", "1.000000", "1.0000000", "0000000000001", "1234567890123",
    "999999999999.9999",
]  # fmt: skip
TEXTS: list[Any] = [
    "", " ", "a", "A", "ａ", "é", "a b", "a\n", "a\u0000", "true", "yes", "on", "null", "CNY", "cny", "x" * 64,
    "x" * 65, "x" * 200, "x" * 300, "x" * 3000,
]  # fmt: skip
TIMES: list[Any] = [
    "2026-11-02", "2026-02-30", "2026-11-2", "２０２６-11-02", "2026-11-02T09:30:00Z", "2026-11-02t09:30:00z",
    "2026-11-02T09:30:00.123456789Z", "2026-11-02T09:30:00+08:00", "2026-11-02T09:30:00-00:00", "2026-11-02T09:30:00",
    "2026-11-02T09:30Z", "2026-11-02 09:30:00Z", "2026-11-02_09:30:00Z", "2026-11-02T09:30:00+0800",
    "2026-11-02T09:30:00+08",
    "2026-11-02T09:30:00,5Z", "2026-11-02T09:30:00.Z", "2026-11-02T24:00:00Z", "2026-11-02T09:30:00+24:00",
    "20261102T093000Z", "2026-W45-1T09:30:00Z", "2026-02-30T09:30:00Z", " 2026-11-02T09:30:00Z",
    "2026-11-02T09:30:00Z\n",
    "1767225600", "1767225600.5", "2026-12-31T23:59:60Z", "0000-01-01T00:00:00Z",
]  # fmt: skip
OTHERS: list[Any] = [None, True, False, [], {}, [1], ["a"], [None], {"a": 1}]
VALUES = [*NUMBERS, *NUMBER_TEXTS, *TEXTS, *TIMES, *OTHERS]
VALUES_APART = sampled(3, whole=1)

NOT_ON_OUR_CLOCK = {"2026-12-31T23:59:60Z", "0000-01-01T00:00:00Z"}
"""A leap second and the year 0 are valid RFC 3339, but the store cannot keep them."""


_TOO_MANY_DIGITS = {"decimal_max_digits", "decimal_whole_digits", "decimal_max_places"}


def _may_be_refused(value: Any, errors: set[str]) -> bool:
    """Whether the reader may refuse with these errors a value that the schema accepts."""
    # A list is reported as too short when its items were refused.
    errors = errors - {"too_short"}
    if errors == {"value_error"}:
        return (
            True  # Rules that a schema cannot express: currencies in use, days of the calendar, contradictory fields.
        )
    if isinstance(value, float) and value.is_integer() and errors == {"int_type"}:
        return True  # 7.0 is an integer in JSON Schema; an id sent as a floating point number may have lost digits.
    if isinstance(value, int | float) and errors <= _TOO_MANY_DIGITS:
        return True  # A schema cannot limit the decimals of a JSON number.
    return value in NOT_ON_OUR_CLOCK and all(error.startswith("datetime") for error in errors)


def _places(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _places(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _places(inner, (*path, number))


def _with(document: Any, path: Path, value: Any) -> Any:
    """The document with a value in a place; it shares what is beside the path, so no one may change it."""
    if not path:
        return value
    changed = copy(document)
    changed[path[0]] = _with(document[path[0]], path[1:], value)
    return changed


def _changes(document: Any, places: list[Path]) -> Iterator[tuple[Path, Any, Any]]:
    """Values in every place, every field left out, and an unknown field.

    A sample puts every third value into each place, and begins with another one in the next place.
    """
    for number, path in enumerate(places):
        for value in VALUES[number % VALUES_APART :: VALUES_APART]:
            yield path, value, _with(document, path, value)
        holder = document
        for step in path[:-1]:
            holder = holder[step]
        if isinstance(holder, dict):
            without = {name: inner for name, inner in holder.items() if name != path[-1]}
            more = {**holder, "unknown": 1}
            for changed in (without, more):
                yield path, None, _with(document, path[:-1], changed)


def _differences(schema: dict[str, Any], model: Any, document: Any, places: list[Path]) -> list[str]:
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    assert validator.is_valid(document), list(validator.iter_errors(document))
    found = []
    for path, value, changed in _changes(document, places):
        is_accepted = validator.is_valid(changed)
        try:
            model.model_validate_json(json.dumps(changed))
        except ValidationError as error:
            if is_accepted and not _may_be_refused(value, errors := {each["type"] for each in error.errors()}):
                found.append(f"{path}: the schema accepts {value!r}, the reader refuses it: {errors}")
        else:
            if not is_accepted:
                found.append(f"{path}: the schema refuses {value!r}, the reader accepts it")
    return found


@pytest.mark.parametrize("name", sorted(ALL))
def test_schema_and_reader_agree_on_every_field_of_a_message(name: str) -> None:
    payload = ALL[name]
    model = message_of(payload)
    schema = schema_of(payload)
    example = json.loads(example_of(payload).to_bytes())
    if kind_of(payload) == "event":
        schema = {**model.model_json_schema(mode="validation"), "required": schema["required"]}
    # A malformed trace is ignored, as W3C requires; it is no reason to refuse a message.
    places = [path for path in _places(example) if path and path != ("traceparent",)]
    # The CloudEvents version and the type are constant, and are filled in if absent.
    assert _differences(_lenient(schema), model, example, places) == []


def _lenient(schema: dict[str, Any]) -> dict[str, Any]:
    required = [name for name in schema["required"] if name not in ("specversion", "type")]
    return {**schema, "required": required}


@pytest.mark.parametrize("name", sorted(name for name in ALL if kind_of(ALL[name]) == "event"))
def test_the_reader_of_an_event_accepts_what_its_schema_accepts(name: str) -> None:
    payload = ALL[name]
    example = json.loads(example_of(payload).to_bytes())
    places = [path for path in _places(example) if path and path != ("traceparent",)]
    found = _differences(_lenient(schema_of(payload)), message_of(payload), example, places)
    assert [difference for difference in found if "the schema accepts" in difference] == []


def test_schema_and_reader_agree_on_every_field_of_a_rule_set() -> None:
    document = json.loads(json.dumps(RULES))
    places = [path for path in _places(document) if path]
    assert _differences(RuleDocument.model_json_schema(mode="validation"), RuleDocument, document, places) == []


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(
    st.text("0123456789", max_size=14).flatmap(
        lambda digits: st.sampled_from(["", ".", ".5", ".0000", "e2", "_0", " ", "\n", "５"]).map(digits.__add__)
    )
    | st.text("0123456789.-+eE_ \n５٥,", max_size=18)
)
@pytest.mark.parametrize("kind", [Amount, SignedAmount, Rate])
def test_a_decimal_is_read_exactly_if_it_matches_its_pattern(kind: Any, text: str) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    is_accepted = jsonschema_rs.Draft202012Validator(adapter.json_schema()).is_valid(text)
    readers: tuple[Callable[[str], Any], ...] = (
        adapter.validate_python,
        lambda value: adapter.validate_json(json.dumps(value)),
    )
    for read in readers:
        try:
            read(text)
        except ValidationError:
            assert not is_accepted
        else:
            assert is_accepted


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(
    st.datetimes().map(lambda at: at.isoformat() + "Z")
    | st.text("0123456789-:+.TtZz W", max_size=27)
    | st.datetimes().flatmap(
        lambda at: st.integers(0, 19).map(lambda at_: at.isoformat()[:at_] + " " + at.isoformat()[at_:] + "Z")
    )
)
def test_a_time_is_read_exactly_if_it_is_rfc_3339(text: str) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(Timestamp)
    schema = jsonschema_rs.Draft202012Validator(adapter.json_schema(), validate_formats=True)
    try:
        adapter.validate_json(json.dumps(text))
    except ValidationError:
        assert not schema.is_valid(text) or ":60" in text or text.startswith("0000")
    else:
        assert schema.is_valid(text)
