"""Our own clock sets the time of arrival; a sender's clock is accepted within the allowed clock skew."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.orders.v2 import PlaceOrder
from contracts.times import CLOCK_SKEW_MAX, plus
from contracts.wire.envelope import BATCH, PAYLOADS, STRUCTURED, Command, Event, Message, Payload
from contracts.wire.examples import AT, example_of
from contracts.wire.reading import Reader
from contracts.wire.refusal import Unreadable
from infra.runtime import roster
from infra.runtime.worker import Handler
from tests.builders import NOW, accepted, message, place

MILLISECOND = timedelta(milliseconds=1)
YEARS_AHEAD = datetime(2099, 1, 1, tzinfo=UTC)
PLACING = Reader([PlaceOrder])

COMMANDS: list[tuple[Handler, type[Payload]]] = [
    (handler, payload)
    for worker in roster.load_all()
    for handler in worker.handlers
    for payload in handler.payloads
    if issubclass(payload, Command)
]
every_command = pytest.mark.parametrize(("handler", "payload"), COMMANDS, ids=lambda v: getattr(v, "message_type", ""))


def read(reader: Reader, body: bytes, at: datetime = NOW, content_type: str = STRUCTURED) -> Any:
    [item] = reader.read(body, content_type=content_type, routing_key=PlaceOrder.message_type, received_at=at)
    return item


def test_every_command_has_a_reader() -> None:
    known = {payload for payload in PAYLOADS.values() if issubclass(payload, Command)}

    assert {payload for _, payload in COMMANDS} == known


def test_a_message_has_its_time_of_arrival_to_the_millisecond() -> None:
    late = datetime(2026, 11, 3, 1, 2, 3, 456_789, tzinfo=UTC)

    item = read(PLACING, message(place()).to_bytes(), late)

    assert item.received_at == datetime(2026, 11, 3, 1, 2, 3, 456_000, tzinfo=UTC)
    assert (item.time, item.bounded_time) == (NOW, item.received_at)


def test_the_time_of_a_bare_body_is_its_arrival() -> None:
    item = read(PLACING, place().model_dump_json(exclude_none=True).encode(), content_type="application/json")

    assert item.time == item.received_at == item.bounded_time == NOW


def test_a_retried_bare_body_is_not_refused_for_the_first_processs_clock() -> None:
    bare = place().model_dump_json(exclude_none=True).encode()
    first = read(PLACING, bare, NOW + timedelta(hours=1), "application/json")

    again = read(PLACING, first.to_bytes(), NOW)
    later = read(PLACING, first.to_bytes(), NOW + timedelta(hours=2))

    assert (again.time, again.received_at, again.key) == (NOW, NOW, first.key)
    assert later.time == first.time


@pytest.mark.parametrize("where", ["envelope", "data"])
def test_a_sender_cannot_set_the_time_of_arrival(where: str) -> None:
    sent: dict[str, Any] = json.loads(message(place()).to_bytes())
    (sent if where == "envelope" else sent["data"])["received_at"] = "2020-01-01T00:00:00Z"

    item = read(PLACING, json.dumps(sent).encode())

    if where == "envelope":
        assert item.received_at == NOW
    else:
        assert (item.reason, item.data["received_at"]) == ("unknown_field", "2020-01-01T00:00:00Z")


def test_the_time_of_arrival_is_not_sent_on() -> None:
    assert b"received_at" not in message(place(), received_at=NOW).to_bytes()


def test_a_message_that_has_not_arrived_has_no_bounded_time() -> None:
    with pytest.raises(LookupError, match="has not been received"):
        _ = example_of(PlaceOrder).bounded_time


def test_a_clock_may_be_ahead_by_the_allowed_skew() -> None:
    ahead = message(place(), time=NOW + CLOCK_SKEW_MAX)

    item = read(PLACING, ahead.to_bytes())

    assert (item.received_at, item.bounded_time) == (NOW, NOW + CLOCK_SKEW_MAX)


@every_command
@pytest.mark.parametrize("time", [AT + CLOCK_SKEW_MAX + MILLISECOND, YEARS_AHEAD, datetime.max.replace(tzinfo=UTC)])
def test_a_command_from_further_ahead_is_refused_by_its_workers_event(
    handler: Handler, payload: type[Payload], time: datetime
) -> None:
    sent = example_of(payload).model_copy(update={"time": time})

    item = read(Reader(handler.payloads), sent.to_bytes(), AT)

    assert isinstance(item, Unreadable)
    assert (item.reason, item.id) == ("time_in_future", sent.id)
    assert f"is more than 10 minutes ahead of {AT.isoformat()}" in item.detail
    assert handler.refuse is not None
    refusal: Any = handler.refuse(item)
    assert (refusal.reason, refusal.detail) == ("time_in_future", item.detail)
    assert refusal.message_type.split(".")[1].endswith("refused")


def test_in_a_batch_only_the_message_from_the_future_is_refused() -> None:
    both = [message(place("1"), time=YEARS_AHEAD), message(place("2"))]
    body = b"[" + b",".join(one.to_bytes() for one in both) + b"]"

    refused, taken = PLACING.read(body, content_type=BATCH, routing_key=PlaceOrder.message_type, received_at=NOW)

    assert isinstance(refused, Unreadable)
    assert (refused.reason, json.loads(refused.body)["id"]) == ("time_in_future", both[0].id)
    assert isinstance(taken, Message)
    assert taken.data == both[1].data


def test_after_correcting_its_clock_the_sender_may_reuse_the_id() -> None:
    sent = message(place(), time=YEARS_AHEAD)
    corrected = sent.model_copy(update={"time": NOW})

    assert read(PLACING, corrected.to_bytes()).key != read(PLACING, sent.to_bytes()).key


def test_our_own_events_may_have_any_time() -> None:
    ahead = message(accepted(), time=YEARS_AHEAD)
    assert issubclass(type(ahead.data), Event)

    item = read(Reader([type(ahead.data)]), ahead.to_bytes())

    assert item.time == YEARS_AHEAD


@pytest.mark.parametrize(
    ("moment", "span", "sum_"),
    [
        (NOW, timedelta(days=7), NOW + timedelta(days=7)),
        (datetime.max.replace(tzinfo=UTC), timedelta(days=7), datetime.max.replace(microsecond=999_000, tzinfo=UTC)),
        (datetime(9999, 12, 24, tzinfo=UTC), timedelta(days=7), datetime(9999, 12, 31, tzinfo=UTC)),
        (datetime.min.replace(tzinfo=UTC), timedelta(days=7), datetime(1, 1, 8, tzinfo=UTC)),
    ],
)
def test_a_sum_stays_on_the_calendar(moment: datetime, span: timedelta, sum_: datetime) -> None:
    assert plus(moment, span) == sum_
