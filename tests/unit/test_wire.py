"""Reading what arrives: three forms with one meaning; a bad message has its reason, and harms no other."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contracts.catalog.v1 import DefineProduct
from contracts.orders import v1, v2
from contracts.wire.envelope import BATCH, STRUCTURED, Message
from contracts.wire.reading import BARE_SOURCE, Reader, content_of, too_large
from contracts.wire.refusal import Unreadable
from tests.builders import NOW, ORDER, SELLER, SHOP, TEA, a_placed_line, accepted, message, place

READER = Reader([v2.PlaceOrder, v1.PlaceOrder])
ONE_TYPE = Reader([DefineProduct])
JSON = "application/json"
V1, V2 = "order.place.v1", "order.place.v2"
SIMPLE = {
    "shop_id": SHOP,
    "order_id": ORDER,
    "distributor_id": SELLER,
    "product_id": TEA,
    "quantity": 2,
    "total_price": "98.00",
}
LIFTED = place(lines=[a_placed_line(amount="98.00")], shipping=Decimal(0), total=Decimal("98.00"))

Read = list[Message[Any] | Unreadable]


def read(body: bytes | str, content_type: str | None = STRUCTURED, routing_key: str = V2) -> Read:
    raw = body.encode() if isinstance(body, str) else body
    return READER.read(raw, content_type=content_type, routing_key=routing_key, received_at=NOW)


def sent(**changes: Any) -> dict[str, Any]:
    """The usual order as JSON in its envelope, with some attributes changed."""
    envelope: dict[str, Any] = json.loads(message(place(), id="m-1").to_bytes())
    return {**envelope, **changes}


def sent_with(**fields: Any) -> str:
    """The same with some fields of its data changed."""
    envelope = sent()
    return json.dumps({**envelope, "data": {**envelope["data"], **fields}})


def the_only(items: Read) -> Any:
    [item] = items
    return item


class TestForms:
    def test_structured_is_read(self) -> None:
        assert read(json.dumps(sent())) == [message(place(), id="m-1")]

    @pytest.mark.parametrize("content_type", [None, JSON, "text/plain", ""])
    def test_structured_is_recognised_without_its_content_type(self, content_type: str | None) -> None:
        assert read(json.dumps(sent()), content_type) == [message(place(), id="m-1")]

    @pytest.mark.parametrize("content_type", [BATCH, None, JSON])
    def test_a_batch_is_read_in_order(self, content_type: str | None) -> None:
        ids = [f"m-{number}" for number in range(7)]

        items = read(json.dumps([sent(id=known) for known in ids]), content_type)

        assert items == [message(place(), id=known) for known in ids]

    def test_an_empty_batch_has_no_messages(self) -> None:
        assert read("[]", BATCH) == []

    def test_bare_takes_its_type_from_the_routing_key_and_its_time_from_the_arrival(self) -> None:
        item = the_only(read(json.dumps(place().model_dump(mode="json")), JSON))

        assert (item.data, item.type, item.time, item.source) == (place(), V2, NOW, BARE_SOURCE)

    def test_a_time_with_any_offset_is_kept_in_utc_to_the_millisecond(self) -> None:
        item = the_only(read(json.dumps(sent(time="2026-11-02T17:30:00.123999+08:00"))))

        assert item.time == datetime(2026, 11, 2, 9, 30, 0, 123_000, tzinfo=UTC)

    def test_a_reader_of_one_type_reads_all_three_forms(self) -> None:
        command = message(DefineProduct(product_id=TEA, name="Green tea", category_id=7), id="m-1")
        forms = [(command.to_bytes(), STRUCTURED), (b"[" + command.to_bytes() + b"]", BATCH)]
        forms.append((command.data.model_dump_json().encode(), JSON))

        for body, content_type in forms:
            [item] = ONE_TYPE.read(body, content_type=content_type, routing_key=command.type, received_at=NOW)
            assert item.data == command.data

    def test_a_byte_order_mark_is_ignored(self) -> None:
        mark = b"\xef\xbb\xbf"
        bodies: list[tuple[dict[str, Any] | list[Any], str | None]] = [
            (sent(), STRUCTURED), (sent(), None), ([sent(), sent(id="m-2")], BATCH), ([sent()], None), (SIMPLE, JSON),
        ]  # fmt: skip
        for body, content_type in bodies:
            raw = json.dumps(body).encode()
            plain = read(raw, content_type, V1)
            assert not any(isinstance(item, Unreadable) for item in plain)
            # A bare body without the mark is the same message again.
            assert read(mark + raw, content_type, V1) == plain


class TestOlderVersions:
    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (SIMPLE, JSON),
            (sent(type=V1, data=SIMPLE), STRUCTURED),
            ([sent(type=V1, data=SIMPLE)], BATCH),
        ],
    )
    def test_are_read_as_the_newest_in_every_form(self, body: Any, content_type: str) -> None:
        item = the_only(read(json.dumps(body), content_type, V1))

        assert (item.type, item.data) == (V2, LIFTED)

    def test_a_batch_may_mix_versions_and_upcasting_keeps_the_envelope(self) -> None:
        old = sent(type=V1, data=SIMPLE, id="m-old", correlationid="c-1", subject="order/x")

        first, second = read(json.dumps([old, sent()]), BATCH)

        assert isinstance(first, Message)
        assert (first.id, first.correlationid, first.subject, first.time) == ("m-old", "c-1", "order/x", NOW)
        assert second == message(place(), id="m-1")


class TestIdsOfBareBodies:
    @staticmethod
    def bare(body: dict[str, Any], routing_key: str = V1, at: timedelta = timedelta(), **named: str) -> str:
        raw = json.dumps(body).encode()
        [item] = READER.read(raw, content_type=JSON, routing_key=routing_key, received_at=NOW + at, **named)
        return item.id

    def test_the_same_bytes_have_the_same_content_at_any_time(self) -> None:
        assert self.bare(SIMPLE) == self.bare(SIMPLE, at=timedelta(days=3))

    def test_two_deliveries_of_the_same_bytes_are_two_messages_of_one_content(self) -> None:
        keys = [f"{BARE_SOURCE}/{self.bare(SIMPLE, delivery_id=name)}" for name in ("d1", "d2")]

        assert keys[0] != keys[1]
        assert [content_of(key) for key in keys] == [f"{BARE_SOURCE}/{self.bare(SIMPLE)}"] * 2

    def test_a_senders_own_id_is_left_alone_whatever_it_looks_like(self) -> None:
        assert content_of("shop-7/10023.1") == "shop-7/10023.1"

    @pytest.mark.parametrize("changed", [{"quantity": 3}, {"order_id": "1002"}, {"total_price": "98.01"}])
    def test_other_bytes_have_another_content(self, changed: dict[str, Any]) -> None:
        assert self.bare({**SIMPLE, **changed}) != self.bare(SIMPLE)

    def test_the_id_of_an_unreadable_body_depends_on_its_bytes_too(self) -> None:
        one, same, other = (self.bare(body) for body in ({"a": 1}, {"a": 1}, {"a": 2}))

        assert one == same != other


class TestTheKeyOfARepeat:
    def test_a_commands_id_is_unique_per_sender(self) -> None:
        one, same, other = (the_only(read(json.dumps(sent(source=source)))) for source in ("a", "a", "b"))

        assert one.key == same.key != other.key

    def test_an_events_id_is_its_key(self) -> None:
        assert message(accepted(), id="e-1").key == "e-1"

    def test_an_unreadable_message_may_be_corrected_under_its_id(self) -> None:
        broken, again, corrected = (the_only(read(sent_with(**f))) for f in ({"tax": "x"}, {"tax": "x"}, {"tax": "1"}))

        assert broken.id == corrected.id
        assert broken.key == again.key != corrected.key

    def test_the_same_unreadable_bytes_for_another_queue_are_another_message(self) -> None:
        one, other = (the_only(read("{", JSON, routing_key)) for routing_key in (V1, V2))

        assert one.key != other.key

    def test_two_bodies_too_large_to_keep_differ_although_they_begin_alike(self) -> None:
        one, same, other = (too_large(b"x" * 20_000 + end, V1, 1000) for end in (b"1", b"1", b"2"))

        assert one.body == other.body
        assert one.key == same.key != other.key


# What is wrong, the reason code, and the sentence that names field and rule.
BAD = [
    ("{", "malformed_json", "body: Invalid JSON: EOF"),
    ("", "malformed_json", "body: Invalid JSON: EOF"),
    ("null", "invalid_value", "body: "),
    ("7", "invalid_value", "body: "),
    (json.dumps(sent(type="order.place.v9")), "unknown_type", "order.place.v9"),
    (json.dumps(sent(type="order.placed.v2")), "unknown_type", "order.placed.v2"),
    (json.dumps({k: v for k, v in sent().items() if k != "type"}), "missing_field", "type"),
    (json.dumps({k: v for k, v in sent().items() if k != "id"}), "missing_field", "id: Field required"),
    (json.dumps({k: v for k, v in sent().items() if k != "data"}), "missing_field", "data: Field required"),
    (json.dumps(sent(time="yesterday")), "invalid_value", "time: Input should be a valid datetime"),
    (json.dumps(sent(time="2026-11-02T09:30:00")), "invalid_value", "time: Input should have timezone info"),
    (sent_with(quantitty=3), "unknown_field", "quantitty: Extra inputs are not permitted (got 3)"),
    (sent_with(shop_id="no shop"), "invalid_value", "shop_id: String should match pattern"),
    (sent_with(lines=[]), "invalid_value", "lines: Tuple should have at least 1 item"),
    (
        sent_with(lines=[{"product_id": TEA, "quantity": 0, "amount": "1"}]),
        "invalid_value",
        "lines.0.quantity: Input should be greater than or equal to 1 (got 0)",
    ),
    (sent_with(currency="ZZZ"), "invalid_value", "currency: 'ZZZ' is not an ISO 4217 currency code in use"),
    (sent_with(shipping="-1"), "invalid_value", "shipping: Input should be greater than or equal to 0 (got '-1')"),
]


@pytest.mark.parametrize(("body", "reason", "sentence"), BAD, ids=[f"{case[1]}-{case[2][:20]}" for case in BAD])
def test_a_bad_message_has_its_reason_field_and_rule(body: str, reason: str, sentence: str) -> None:
    item = the_only(read(body))

    assert isinstance(item, Unreadable)
    assert (item.reason, item.body) == (reason, body.encode())
    assert sentence in item.detail


def test_the_first_problems_are_listed_and_the_rest_are_counted() -> None:
    item = the_only(read(sent_with(shop_id="", order_id="", distributor_id=0, tax="x", shipping="x")))

    assert item.detail.startswith("shop_id: ")
    assert item.detail.count("; ") == 3
    assert item.detail.endswith("; and 2 more")


class TestABadMessageKeeps:
    def test_its_own_id_type_and_data(self) -> None:
        item = the_only(read(sent_with(prepaid="perhaps")))

        assert (item.id, item.type, item.correlation) == ("m-1", V2, "message/m-1")
        assert (item.data["shop_id"], item.data["prepaid"]) == (SHOP, "perhaps")

    @pytest.mark.parametrize("given_id", ["", "x" * 129, 7, None, ["m-1"]])
    def test_an_id_derived_from_its_bytes_if_its_own_is_invalid(self, given_id: object) -> None:
        body = json.dumps(sent(id=given_id))

        item = the_only(read(body))

        assert isinstance(item, Unreadable)
        assert item.id == the_only(read(body)).id != given_id
        assert 0 < len(item.id) <= 128

    def test_no_data_that_is_not_an_object(self) -> None:
        assert the_only(read(json.dumps(sent(data=[1])))).data == {}

    def test_a_bare_body_as_its_data(self) -> None:
        item = the_only(read(json.dumps({**SIMPLE, "quantity": "two"}), JSON, V1))

        assert (item.type, item.reason, item.data["order_id"]) == (V1, "invalid_value", ORDER)
        assert item.detail == "quantity: Input should be a valid integer (got 'two')"

    def test_the_list_of_types_for_a_bare_body_of_an_unknown_type(self) -> None:
        item = the_only(read(json.dumps(SIMPLE), JSON, "order.place.v3"))

        assert (item.type, item.reason) == ("order.place.v3", "unknown_type")
        assert "'order.place.v3' is none of order.place.v2, order.place.v1" in item.detail


class TestTraceparent:
    GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    def test_a_good_one_is_kept(self) -> None:
        assert the_only(read(json.dumps(sent(traceparent=self.GOOD)))).traceparent == self.GOOD

    @pytest.mark.parametrize("junk", ["", "junk", GOOD.upper(), GOOD + "-00", GOOD[:-1], 7, None, [GOOD], {"a": 1}])
    def test_junk_is_ignored_and_never_a_reason_to_refuse(self, junk: object) -> None:
        item = the_only(read(json.dumps(sent(traceparent=junk))))

        assert isinstance(item, Message)
        assert item.traceparent is None


def test_a_body_over_the_limit_is_not_read_and_states_the_limit() -> None:
    item = too_large(b"x" * 2_000, V2, 1_000)

    assert (item.type, item.reason) == (V2, "too_large")
    assert item.detail == "body: 2000 bytes, and at most 1000 are accepted; split the message."
    assert item.id == too_large(b"x" * 2_000, V2, 1_000).id != too_large(b"x" * 2_001, V2, 1_000).id


HALF_A_PAIR = json.dumps(sent(id="m-9")).replace('"m-9"', '"\\ud800"').encode()
NASTY = [
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"specversion": "1.0", "data": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    b"[" * 150 + b"]" * 150,
    b"[" + b"9" * 5_000 + b"]",
    b"[NaN, Infinity, 1e999]",
    HALF_A_PAIR,
    HALF_A_PAIR.replace(b"order.place.v2", b"\\udfff"),
    b"\xef\xbb\xbf{}",
    "[{}]".encode("utf-16"),
    b'{"specversion": "\xff"}',
    b"\x00",
]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
mutilated = st.builds(
    lambda where, value: json.dumps(sent(**{where: value})).encode(), st.sampled_from(sorted(sent())), values
)


@given(
    st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()) | mutilated,
    st.sampled_from([None, JSON, STRUCTURED, BATCH]),
)
@example(HALF_A_PAIR, STRUCTURED)
def test_reading_never_raises_and_what_it_keeps_can_be_stored(body: bytes, content_type: str | None) -> None:
    for item in read(body, content_type):
        f"{item.id}{item.type}{item.correlation}".encode()
        if isinstance(item, Unreadable):
            assert item.reason
            f"{item.detail}{item.data!r}".encode()


@pytest.mark.parametrize("content_type", [None, JSON, STRUCTURED, BATCH])
@pytest.mark.parametrize("body", NASTY, ids=range(len(NASTY)))
def test_bodies_made_to_break_the_reader_are_unreadable(body: bytes, content_type: str | None) -> None:
    for item in read(body, content_type):
        assert isinstance(item, Unreadable)
        f"{item.id}{item.type}{item.detail}{item.data!r}".encode()
