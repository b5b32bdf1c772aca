"""Ids beyond 2^53 - 1, which JavaScript rounds, are exact in every request and answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from api.app import OWN_IDENTITY, ROUTERS
from api.http.ids import ID_NAMES, ID_SCHEMA, ShownId, ShownObject, numbers_of
from api.identity.principal import principal_of
from api.operations.operations_view import TraceStep
from api.stock.adjustments import Adjustment, lines_of_csv
from contracts.javascript import EXACT_MAX, all_exact
from tests.unit.test_api_openapi import DOCUMENT, OPERATIONS

SNOWFLAKE = 1_180_000_000_000_000_008
ID = {"$ref": "#/components/schemas/Id"}
SCHEMAS = DOCUMENT["components"]["schemas"]
ROUTES = {
    f"{method} {route.path}": route
    for router in (*ROUTERS, *OWN_IDENTITY)
    for route in router.routes
    if isinstance(route, APIRoute) and route.include_in_schema
    for method in route.methods
}
COUNTS = frozenset(
    (
        *("version", "rule_version", "line", "level", "levels_max", "quantity", "refunded_quantity", "hold_days"),
        *(
            "uses_max",
            "days",
            "expires_in",
            "attempt",
            "attempts",
            "not_kept",
            "waiting",
            "replays",
            "payment_deadline_s",
            "status",
            "counts",
            "nodes",
        ),
        *("on_hand", "reserved", "available", "sellable", "stock", "delta", "low_at", "recovered_at", "units", "short"),
        *("orders", "sellers", "people_changed", "lines", "not_booked", "other_markets", "gaining", "losing"),
        *("times", "revision", "group_wait_s", "group_interval_s", "repeat_after_s", "budget_per_min", "attempt"),
        *("escalate_after_s", "utc_offset_min"),
        *("today", "draft", "products", "distributor_unpaid_orders_max", "distributor_unpaid_units_max"),
        *("terms_version", "anchor", "grace_hours", "approvals", "write_off_after_days", "line_count", "number"),
        *("checks", "count", "left_out_count"),
    )
)
"""The whole numbers that are not ids. A new field is added here, or is `ShownId` in its view."""


def _is_id(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("$ref") == ID["$ref"]


def _whole_numbers(schema: Any) -> bool:
    """Whether it is an integer, or a list or map of them, that is not an id."""
    if not isinstance(schema, dict):
        return False
    inner = [
        schema.get("items"),
        schema.get("additionalProperties"),
        *schema.get("anyOf", ()),
        *schema.get("oneOf", ()),
    ]
    return schema.get("type") == "integer" or any(_whole_numbers(one) for one in inner)


def _has_id(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    return _is_id(schema) or any(_has_id(one) for one in (schema.get("items"), *schema.get("anyOf", ())))


def _fields(schema: Any, seen: set[str]) -> Iterator[tuple[str, Any]]:
    """Every field below a schema, by its name."""
    if isinstance(schema, list):
        for one in schema:
            yield from _fields(one, seen)
    elif isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference not in seen and reference.startswith("#/components/schemas/"):
            seen.add(reference)
            yield from _fields(SCHEMAS[reference.rpartition("/")[2]], seen)
        yield from schema.get("properties", {}).items()
        for name, inner in schema.items():
            if name not in ("example", "examples", "discriminator"):
                yield from _fields(list(inner.values()) if name == "properties" else inner, seen)


def test_every_whole_number_is_an_id_or_a_count() -> None:
    numbers = {
        f"{name}.{field}"
        for name, schema in SCHEMAS.items()
        for field, inner in schema.get("properties", {}).items()
        if _whole_numbers(inner) and field not in COUNTS
    }

    assert numbers == set()
    assert not any(name.endswith(("_id", "_ids")) for name in COUNTS)


def test_every_id_in_a_body_may_be_text() -> None:
    bodies = [operation["requestBody"]["content"] for operation in OPERATIONS.values() if "requestBody" in operation]
    named = {name for name, schema in _fields(bodies, set()) if _has_id(schema)}

    assert named == ID_NAMES


def test_every_id_in_an_address_may_have_either_form() -> None:
    parameters = [one for operation in OPERATIONS.values() for one in operation.get("parameters", ())]
    named = {one["name"]: one["schema"] for one in parameters if one["in"] != "header" and "_id" in one["name"]}

    ids = {name for name, schema in named.items() if _has_id(schema)}
    assert ids == {"distributor_id", "product_id", "category_id", "tag_id", "team_id", "sponsor_id", "leader_id"}
    assert named.keys() - ids == {
        "shop_id",
        "order_id",
        "letter_id",
        "message_id",
        "user_id",
        "client_id",
        "webhook_id",
        "route_id",
        "silence_id",
        "adjustment_id",
        "batch_id",
        "table_id",
        "corridor_id",
    }


def test_no_number_of_the_document_is_rounded_by_a_browser() -> None:
    def numbers(value: Any) -> Iterator[int]:
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            for inner in value:
                yield from numbers(inner)
        elif isinstance(value, int):
            yield value

    assert [number for number in numbers(DOCUMENT) if abs(number) > EXACT_MAX] == []


def _with_text(schema: Any, example: Any) -> Any:
    """The example with a snowflake as text in place of every id."""
    if _is_id(schema):
        return str(SNOWFLAKE) if isinstance(example, int) else example
    if "$ref" in schema:
        return _with_text(SCHEMAS[schema["$ref"].rpartition("/")[2]], example)
    for several in ("anyOf", "oneOf"):
        for one in schema.get(several, ()):
            example = _with_text(one, example)
    if isinstance(example, list):
        return [_with_text(schema.get("items", {}), one) for one in example]
    if isinstance(example, dict):
        properties = schema.get("properties", {})
        return {name: _with_text(properties.get(name, {}), inner) for name, inner in example.items()}
    return example


def _example(content: dict[str, Any]) -> Any:
    return content["example"] if "example" in content else next(iter(content["examples"].values()))["value"]


WITH_IDS = [
    name
    for name, operation in OPERATIONS.items()
    for content in [(operation.get("requestBody") or {}).get("content", {}).get("application/json")]
    if content
    and str(SNOWFLAKE) in json.dumps(_with_text(content["schema"], _example(content)))
    and ROUTES[name].body_field is not None
]


def test_there_are_operations_that_take_ids() -> None:
    assert {"POST /api/orders", "POST /api/distributors", "POST /api/products", "POST /api/users"} <= set(WITH_IDS)


@pytest.mark.parametrize("name", WITH_IDS)
def test_an_id_as_text_is_the_same_id(name: str) -> None:
    content = OPERATIONS[name]["requestBody"]["content"]["application/json"]
    field = ROUTES[name].body_field
    assert field is not None
    as_text = _with_text(content["schema"], _example(content))
    as_numbers = json.loads(json.dumps(as_text).replace(f'"{SNOWFLAKE}"', str(SNOWFLAKE)))

    read, problems = field.validate(numbers_of(as_text), {}, loc=("body",))

    assert problems == []
    assert read == field.validate(as_numbers, {}, loc=("body",))[0]


@pytest.mark.parametrize("text", ["", "0", "-1", "+1", "01", "1.0", "1e3", " 1", "1 ", "1_0", "１", "1" * 20])
def test_other_text_is_left_for_validation(text: str) -> None:
    assert numbers_of({"product_id": text, "tags": [text]}) == {"product_id": text, "tags": [text]}


def test_text_in_other_fields_stays_text() -> None:
    body = {"order_id": str(SNOWFLAKE), "name": "17", "lines": [{"product_id": "7", "amount": "5"}], "tags": ["3", 4]}

    assert numbers_of(body) == {**body, "lines": [{"product_id": 7, "amount": "5"}], "tags": [3, 4]}


@pytest.mark.parametrize("cell", ["1", "40021", str(EXACT_MAX), str(EXACT_MAX + 2), str(SNOWFLAKE), str(2**63 - 1)])
def test_an_id_in_a_csv_file_is_read_exactly(cell: str) -> None:
    assert lines_of_csv(f"product_id,delta\n{cell},1\n".encode()) == [{"product_id": int(cell), "delta": 1}]


@pytest.mark.parametrize(
    "cell", ["00012", "+1", "1.0", "1e3", "1.18E+18", "1_0", "١", "１", "--1", "1 2", "true", "0x10"]
)
def test_other_spellings_in_a_csv_file_are_refused(cell: str) -> None:
    [line] = lines_of_csv(f"product_id,delta\n{cell},1\n".encode())

    assert line == {"product_id": cell, "delta": 1}
    with pytest.raises(ValidationError):
        Adjustment.model_validate(line)


@pytest.mark.parametrize("cell", ["0", "-1", str(2**63), "9" * 20, "9" * 900])
def test_a_number_out_of_range_in_a_csv_file_is_refused(cell: str) -> None:
    with pytest.raises(ValidationError):
        Adjustment.model_validate(lines_of_csv(f"product_id,delta\n{cell},1\n".encode())[0])


class Shown(BaseModel):
    one: ShownId
    many: list[ShownId]
    none: ShownId | None
    rest: ShownObject


@pytest.mark.parametrize("number", [1, 40_021, EXACT_MAX, EXACT_MAX + 1, SNOWFLAKE, 2**63 - 1])
def test_an_answer_has_text_where_a_double_would_round(number: int) -> None:
    expected = number if number <= EXACT_MAX else str(number)
    shown = Shown(one=number, many=[number], none=None, rest={"data": [{"id": number, "on": True}]})

    expected_json = {
        "one": expected,
        "many": [expected],
        "none": None,
        "rest": {"data": [{"id": expected, "on": True}]},
    }
    assert json.loads(shown.model_dump_json()) == shown.model_dump(mode="json") == expected_json
    assert json.loads(shown.model_dump_json(), parse_int=lambda digits: int(float(digits))) == expected_json
    assert shown.one == number


def test_ids_in_emitted_events_are_exact() -> None:
    event = {"data": {"distributor_id": SNOWFLAKE, "lines": [{"product_id": 7}]}}
    known: dict[str, Any] = {"emitted": [event]}
    step = TraceStep.model_construct(**known)

    emitted = json.loads(step.model_dump_json(include={"emitted"}))["emitted"]

    assert emitted == [{"data": {"distributor_id": str(SNOWFLAKE), "lines": [{"product_id": 7}]}}]


def test_a_token_names_its_distributor_exactly() -> None:
    claims = {"sub": "u", "distributor_id": str(SNOWFLAKE)}

    assert principal_of(claims, ("ROLE_DISTRIBUTOR",), frozenset()).distributor_id == SNOWFLAKE


def test_the_id_schema_matches_the_conversion() -> None:
    integer, text = ID_SCHEMA["oneOf"]
    assert integer == {"type": "integer", "format": "int64", "minimum": 1}
    for number in (1, EXACT_MAX, SNOWFLAKE, 2**63 - 1):
        assert numbers_of({"product_id": str(number)}) == {"product_id": number}
    assert text["pattern"] == "^[1-9][0-9]{0,18}$"
    assert all_exact({"a": (2**53, 2**53 - 1)}) == {"a": [str(2**53), 2**53 - 1]}
