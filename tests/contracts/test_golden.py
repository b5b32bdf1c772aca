"""Bytes that were once on the wire stay readable: one file for each message version, never edited.

A new version gets its file by `python -m tests.contracts.golden`, which writes only what is missing.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from jsonschema import Draft202012Validator

from contracts.orders import v1, v2
from contracts.wire import schema
from contracts.wire.catalogue import ALL
from contracts.wire.envelope import Event, Payload, emit, message_of
from contracts.wire.reading import newest
from tests.contracts.golden import FOLDER

NAMES = sorted(path.name.removesuffix(".json") for path in FOLDER.glob("*.json"))


def _golden(name: str) -> bytes:
    return (FOLDER / f"{name}.json").read_bytes()


def test_every_version_has_its_bytes() -> None:
    missing = sorted(set(ALL) - set(NAMES))

    assert not missing, f"run `python -m tests.contracts.golden` for {', '.join(missing)}"


def test_no_released_version_is_gone() -> None:
    assert not set(NAMES) - set(ALL)


@pytest.mark.parametrize("name", NAMES)
def test_decodes_and_encodes_to_the_same_value(name: str) -> None:
    message = message_of(ALL[name]).model_validate_json(_golden(name))

    assert message.subject == message.data.about()
    # A field that was added later has its default, which was not on the wire.
    assert json.loads(message.model_dump_json(exclude_unset=True)) == json.loads(_golden(name))


@pytest.mark.parametrize(
    "at", [datetime(2026, 11, 2, 9, 30, tzinfo=UTC), datetime(2026, 1, 2, 3, 4, 5, 60_000, tzinfo=UTC)]
)
@pytest.mark.parametrize("name", NAMES)
def test_an_emission_is_serialised_like_a_message(name: str, at: datetime) -> None:
    """Also with unusual characters in the ids that it copies from its cause."""
    odd = 'a"b\\c\u0001\n\x7f 订单 \u2028\U0001f9fe'
    cause = (
        message_of(ALL[name]).model_validate_json(_golden(name)).model_copy(update={"id": odd, "correlationid": odd})
    )

    emission = emit(cause.data, cause=cause, source="order_intake", index=0, at=at)

    read = message_of(ALL[name]).model_validate_json(emission.to_bytes())
    assert emission.to_bytes() == read.to_bytes()
    assert (read.id, read.correlationid, read.causationid, read.time) == (emission.id, odd, odd, at)
    assert (read.type, read.subject, read.data) == (name, cause.data.about(), cause.data)


@pytest.mark.parametrize("name", NAMES)
def test_matches_the_released_schema(name: str) -> None:
    released = json.loads((schema.FOLDER / f"{name}.json").read_text("utf-8"))
    Draft202012Validator.check_schema(released)

    Draft202012Validator(released).validate(json.loads(_golden(name)))


@pytest.mark.parametrize("name", NAMES)
def test_is_read_without_optional_fields(name: str) -> None:
    """The wire form leaves empty attributes out, so every nullable field must be optional."""
    payload = ALL[name]
    golden = json.loads(_golden(name))
    for field, definition in payload.model_json_schema()["properties"].items():
        if {"type": "null"} in definition.get("anyOf", ()):
            golden["data"][field] = None
    sparse = message_of(payload).model_validate_json(json.dumps(golden))

    assert message_of(payload).model_validate_json(sparse.to_bytes()) == sparse


@pytest.mark.parametrize("name", NAMES)
def test_unknown_fields_are_ignored_in_events_only(name: str) -> None:
    payload = ALL[name]
    message = message_of(payload).model_validate_json(_golden(name))
    ahead = json.loads(_golden(name))
    ahead["data"]["from_the_future"] = 1

    if issubclass(payload, Event):
        assert message_of(payload).model_validate_json(json.dumps(ahead)) == message
    else:
        with pytest.raises(ValueError, match="from_the_future"):
            message_of(payload).model_validate_json(json.dumps(ahead))


def test_an_order_of_version_1_is_read_as_version_2() -> None:
    old = message_of(v1.PlaceOrder).model_validate_json(_golden("order.place.v1"))

    assert newest(old) == message_of(v2.PlaceOrder)(
        id="987e8385-6972-5814-9d76-b8c9bd720000",
        source="shop-367",
        type="order.place.v2",
        time=datetime(2026, 11, 2, 9, 30, tzinfo=UTC),
        subject="order/shop-367/31198459904",
        correlationid="order/shop-367/31198459904",
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        data=v2.PlaceOrder(
            shop_id="shop-367",
            order_id="31198459904",
            distributor_id=40021,
            lines=(v2.Line(product_id=1082185, quantity=3, amount=Decimal("59.70"), discount=Decimal(0)),),
            shipping=Decimal(0),
            tax=Decimal(0),
            total=Decimal("59.70"),
            prepaid=False,
        ),
    )


def test_the_newest_version_is_left_as_it_is() -> None:
    message = message_of(v2.PlaceOrder).model_validate_json(_golden("order.place.v2"))

    assert newest(message) is message


def test_every_older_version_can_be_upcast() -> None:
    """A version with a successor implements `upcast`."""
    older = {name for name in ALL if f"{_stem(name)}.v{_version(name) + 1}" in ALL}

    assert older == {name for name, payload in ALL.items() if payload.upcast is not Payload.upcast}


def _stem(name: str) -> str:
    return name.rpartition(".v")[0]


def _version(name: str) -> int:
    return int(name.rpartition(".v")[2])
