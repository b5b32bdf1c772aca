"""Bad input from shops is refused with the name of the field, and always by a ValidationError."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.fields import LINES_MAX, QUANTITY_MAX
from contracts.wire.catalogue import ALL
from contracts.wire.envelope import Command, message_of
from contracts.wire.examples import example_of

Path = tuple[str | int, ...]
Locations = list[tuple[str | int, ...]]

ORDER = "order.place.v2"
RULES = "rules.propose.v1"
LINE: Path = ("data", "lines", 0)
ABSENT = object()


def _locations(name: str, body: str) -> Locations:
    with pytest.raises(ValidationError) as caught:
        message_of(ALL[name]).model_validate_json(body)
    return [error["loc"] for error in caught.value.errors()]


def _wrong(name: str, path: Path, value: object) -> str:
    """The example of the message with one value in another's place."""
    message = json.loads(example_of(ALL[name]).to_bytes())
    holder = message
    for step in path[:-1]:
        holder = holder[step]
    if value is ABSENT:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return json.dumps(message)


INFINITY = float("inf")
NOT_A_NUMBER = float("nan")

WHOLE_NUMBERS: list[object] = [
    ABSENT, None, 0, -1, 2**63, 10**30, -(2**63), 1.5, 1.0, NOT_A_NUMBER, INFINITY, -INFINITY, True, False, "3", "", [],
    {}, "NaN",
]  # fmt: skip
AMOUNTS: list[object] = [
    ABSENT, None, -0.01, "-0.01", -1, 10**30, "1" + "0" * 30, 1e300, NOT_A_NUMBER, INFINITY, "NaN", "Infinity", "sNaN",
    0.12345, "0.12345", 19.123456789, "1234567890123", "1234567890123.1234", True, False, "", "abc", "1,5", "19.90 CNY",
    [], {},
]  # fmt: skip
IDS: list[object] = [ABSENT, None, "", "a b", "a/b", "x" * 65, "naïve", "a\n", "a\u0000", 7, True, [], {}]
CURRENCIES: list[object] = ["ZZZ", "cny", "CN", "CNYY", "", "C-Y", "CNY ", 156, True, [], {}]
TIMES: list[object] = [
    "2026-11-02T09:30:00", "2026-11-02", "09:30", "yesterday", "", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
    "2026-11-02T25:00:00Z", "2026-11-02T09:30:00+99:00", True, [], {}, NOT_A_NUMBER, INFINITY, 10**30,
]  # fmt: skip

TABLE: list[tuple[str, Path, list[object]]] = [
    (ORDER, (*LINE, "quantity"), [*WHOLE_NUMBERS, QUANTITY_MAX + 1]),
    (ORDER, (*LINE, "product_id"), WHOLE_NUMBERS),
    (ORDER, ("data", "distributor_id"), WHOLE_NUMBERS),
    (ORDER, (*LINE, "amount"), AMOUNTS),
    (ORDER, ("data", "shipping"), [value for value in AMOUNTS if value is not ABSENT]),
    (ORDER, ("data", "total"), [value for value in AMOUNTS if value not in (ABSENT, None)]),
    (ORDER, ("data", "shop_id"), IDS),
    (ORDER, ("data", "order_id"), IDS),
    (ORDER, ("data", "currency"), CURRENCIES),
    (ORDER, ("data", "placed_at"), TIMES),
    (ORDER, ("data", "lines"), [ABSENT, None, [], {}, "", 0]),
    (ORDER, ("data", "prepaid"), [None, 2, "perhaps", [], {}]),
    (ORDER, ("data",), [ABSENT, None, [], "", 0]),
    (ORDER, ("time",), [ABSENT, None, *TIMES]),
    (ORDER, ("id",), [ABSENT, None, "", "x" * 129, 7]),
    (ORDER, ("source",), [ABSENT, None, "", "x" * 257, 7]),
    (ORDER, ("specversion",), ["0.3", 1, None]),
    (ORDER, ("datacontenttype",), ["text/plain", None]),
    (ORDER, ("type",), ["order.place.v9", "order.place.v1", "order.place", "", None, 2]),
    ("order.place.v1", ("data", "quantity"), WHOLE_NUMBERS),
    ("order.place.v1", ("data", "total_price"), AMOUNTS),
    ("order.place.v1", ("type",), ["order.place.v2"]),
    ("order.update-status.v1", ("data", "status"), [ABSENT, None, "", "PAID", "refunded", "pending", 1, True]),
    ("stock.receive.v1", ("data", "receipt_id"), [ABSENT, None, "", "a b", "x" * 65]),
    ("stock.receive.v1", ("data", "quantity"), WHOLE_NUMBERS),
    ("stock.receive.v1", ("data", "expiry_date"), ["2027-3-31", "2027-13-01", "31.03.2027", "", 20270331]),
    ("stock.receive.v1", ("data", "low_at"), [-1, 1.5, True, "20", QUANTITY_MAX + 1]),
    ("stock.adjust.v1", ("data", "delta"), [ABSENT, None, 1.5, True, QUANTITY_MAX + 1, -QUANTITY_MAX - 1, 2**63]),
    ("product.define.v1", ("data", "name"), [ABSENT, None, "", "x" * 201, 7]),
    ("distributor.register.v1", ("data", "sponsor_id"), [0, -1, 2**63, True, "40007"]),
    ("distributor.register.v1", ("data", "tier"), [None, "", "Gold", "-gold", "x" * 33]),
    ("shop.register.v1", ("data", "currency"), [ABSENT, None, *CURRENCIES]),
    (RULES, ("data", "rules", "pool_rate"), [ABSENT, None, "1.1", "-0.1", "0.0000001", NOT_A_NUMBER, True, "a tenth"]),
    (RULES, ("data", "rules", "plans"), [ABSENT, None, [], {}, "unilevel"]),
    (RULES, ("data", "rules", "plans", 0), [None, [], {}, "unilevel", {"plan": "pyramid"}]),
    (RULES, ("data", "rules", "hold_days"), [None, -1, 366, 1.5, True, "7"]),
    (RULES, ("data", "proposed_by"), [ABSENT, None, "", " li.na", "x" * 65, 7]),
    ("rules.approve.v1", ("data", "digest"), [ABSENT, None, "", "9f86d081", "9F" * 32, "g" * 64]),
    ("rules.activate.v1", ("data", "effective_from"), TIMES),
    ("market.define.v1", ("data", "levels_paid_max"), [None, 0, 31, 1.5, True, "2"]),
    ("market.define.v1", ("data", "clauses"), [None, [], "", "article 7"]),
]
CASES = [(name, path, value) for name, path, values in TABLE for value in values]


def _id(value: object) -> str | None:
    if isinstance(value, tuple):
        return ".".join(map(str, value))
    return "absent" if value is ABSENT else None


@pytest.mark.parametrize(("name", "path", "value"), CASES, ids=_id)
def test_the_refusal_names_the_field(name: str, path: Path, value: object) -> None:
    first, *rest = _locations(name, _wrong(name, path, value))

    assert first[: len(path)] == path
    # A list whose only line is refused is reported as too short as well.
    assert all(path[: len(location)] == location or location[: len(path)] == path for location in rest)


def _order_with(lines: int) -> str:
    message = json.loads(example_of(ALL[ORDER]).to_bytes())
    message["data"]["lines"] *= lines
    return json.dumps(message)


def test_one_line_more_than_allowed_is_refused() -> None:
    message_of(ALL[ORDER]).model_validate_json(_order_with(LINES_MAX))

    assert _locations(ORDER, _order_with(LINES_MAX + 1)) == [("data", "lines")]


COMMANDS = sorted(name for name, payload in ALL.items() if issubclass(payload, Command))


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_refuse_an_unknown_field(name: str) -> None:
    assert _locations(name, _wrong(name, ("data", "quantitty"), 3)) == [("data", "quantitty")]


def test_commands_refuse_an_unknown_field_inside_a_line() -> None:
    assert _locations(ORDER, _wrong(ORDER, (*LINE, "price"), "1"))[0] == (*LINE, "price")


MAPS = {"facts", "waiting"}
"""Objects whose keys are data."""

EVENTS = sorted(set(ALL) - set(COMMANDS))


@pytest.mark.parametrize("name", EVENTS)
def test_events_ignore_unknown_fields_at_every_depth(name: str) -> None:
    message = json.loads(example_of(ALL[name]).to_bytes())
    for holder in _objects(message):
        holder["from_the_future"] = {"nested": [1]}

    assert message_of(ALL[name]).model_validate_json(json.dumps(message)) == example_of(ALL[name])


def _objects(value: Any) -> list[dict[str, Any]]:
    """Every object inside whose members have names, the outermost first."""
    if isinstance(value, dict):
        inner = (member for name, member in value.items() if name not in MAPS)
        return [value, *(found for member in inner for found in _objects(member))]
    return [found for inner in value for found in _objects(inner)] if isinstance(value, list) else []


CONTRADICTIONS: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("more than pool_rate", lambda rules: rules["plans"][0].update(rates=["0.20", "0.01"])),
    ("of category 7", lambda rules: rules["plans"][0]["overrides"][0].update(rates=["0.21"])),
    ("choose another name", lambda rules: rules["plans"].append(rules["plans"][0])),
    ("the same product, category and tier", lambda rules: rules["plans"][0].update(overrides=_twice(rules))),
    ("listed twice for one currency", lambda rules: rules["targets"].append(rules["targets"][0])),
]


def _twice(rules: dict[str, Any]) -> list[Any]:
    return [*rules["plans"][0]["overrides"]] * 2


@pytest.mark.parametrize(("sentence", "change"), CONTRADICTIONS)
def test_contradictory_rules_are_refused_with_a_sentence(
    sentence: str, change: Callable[[dict[str, Any]], object]
) -> None:
    message = json.loads(example_of(ALL[RULES]).to_bytes())
    change(message["data"]["rules"])

    with pytest.raises(ValidationError, match=sentence):
        message_of(ALL[RULES]).model_validate_json(json.dumps(message))


@pytest.mark.parametrize("body", ["", "{", "null", "[]", "7", '"text"', "\ufeff{}", '{"data":', "{" * 500])
def test_a_body_that_is_no_json_object_is_refused(body: str) -> None:
    assert _locations(ORDER, body)


MALFORMED = ["", "00-xyz", "00-" + "0" * 31 + "-" + "0" * 16 + "-01", 7, None, {}]


@pytest.mark.parametrize("traceparent", MALFORMED)
def test_a_malformed_traceparent_is_no_reason_to_refuse_an_order(traceparent: object) -> None:
    message = message_of(ALL[ORDER]).model_validate_json(_wrong(ORDER, ("traceparent",), traceparent))

    assert message.traceparent is None
