"""A message is read whatever bytes its properties have, and it names those that could not be decoded."""

from __future__ import annotations

import asyncio
import struct
import time
from typing import Any
from unittest.mock import Mock

import pamqp.frame
import pytest
from aio_pika import IncomingMessage
from aiormq.abc import DeliveredMessage
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands as spec
from pamqp.exceptions import UnmarshalingException
from pamqp.header import ContentHeader

from contracts.wire.envelope import SHOPS_EXCHANGE
from infra.adapters import amqp_properties
from infra.adapters.amqp_properties import PROPERTIES_BYTES_MAX
from infra.adapters.rabbitmq_inbox import RabbitInbox
from infra.ports.messaging import Delivery
from tests.raw_amqp import FLAGS, NOT_UTF8, long_string, short, table, timestamp

amqp_properties.install()

MICROSECONDS = 1_764_378_000_000_000
DEEP = 700
Properties = dict[str, bytes]


def header_frame(properties: Properties) -> bytes:
    flags = sum(FLAGS[name] for name in properties)
    values = b"".join(properties[name] for name in spec.Basic.Properties.__slots__ if name in properties)
    payload = struct.pack(">HHQH", 60, 0, 0, flags) + values
    return struct.pack(">BHI", 2, 1, len(payload)) + payload + b"\xce"


def deliver_frame(routing_key: bytes, exchange: bytes = b"tributary.commands", *, redelivered: bool = False) -> bytes:
    payload = struct.pack(">HH", 60, 60) + short(b"tag") + struct.pack(">Q?", 7, redelivered)
    payload += short(exchange) + short(routing_key)
    return struct.pack(">BHI", 1, 1, len(payload)) + payload + b"\xce"


def taken(
    properties: Properties,
    routing_key: bytes = b"order.place.v2",
    *,
    redelivered: bool = False,
    exchange: bytes = b"tributary.commands",
) -> Delivery:
    """The delivery that reaches the loop for a message with these properties."""
    header = pamqp.frame.unmarshal(header_frame(properties))[2]
    deliver = pamqp.frame.unmarshal(deliver_frame(routing_key, exchange, redelivered=redelivered))[2]
    assert isinstance(header, ContentHeader)
    assert isinstance(deliver, spec.Basic.Deliver)
    inbox = RabbitInbox("queue", bytes_max=1_000)
    delivered = DeliveredMessage(delivery=deliver, header=header, body=b"body", channel=Mock(is_closed=False))
    asyncio.run(inbox.take(IncomingMessage(delivered)))
    delivery = inbox.waiting()
    assert delivery is not None
    return delivery


def nested(depth: int) -> bytes:
    value = b"V"
    for _ in range(depth):
        value = b"A" + struct.pack(">I", len(value)) + value
    return value


UNDECODABLE: dict[str, tuple[str, Properties]] = {
    **{
        f"{name} that is not UTF-8": ("type" if name == "message_type" else name, {name: short(NOT_UTF8)})
        for name in spec.Basic.Properties.__slots__
        if spec.Basic.Properties.amqp_type(name) == "shortstr"
    },
    "timestamp in microseconds": ("timestamp", {"timestamp": timestamp(MICROSECONDS)}),
    "timestamp at the end of time": ("timestamp", {"timestamp": b"\xff" * 8}),
    "header name": (r"headers.\xff", {"headers": table([(b"\xff", long_string(b"x"))])}),
    "header of a far time": ("headers.at", {"headers": table([(b"at", b"T" + timestamp(MICROSECONDS))])}),
    "header of an unknown type": ("headers.odd", {"headers": table([(b"odd", b"?1234")])}),
    "table in a table": ("headers.in", {"headers": table([(b"in", b"F" + table([(b"\xff", b"V")]))])}),
    "array of far times": ("headers.in", {"headers": table([(b"in", b"A\0\0\0\x09T" + timestamp(MICROSECONDS))])}),
    "array nested too deeply": ("headers.in", {"headers": table([(b"in", nested(DEEP))])}),
    "headers beyond what is read": ("headers", {"headers": table([(b"h", long_string(b"x" * PROPERTIES_BYTES_MAX))])}),
    "expiration that is no number": ("expiration", {"expiration": short(b"soon")}),
    "delivery mode that is none": ("delivery_mode", {"delivery_mode": b"\x07"}),
}
LIBRARY_READS = {"expiration that is no number", "headers beyond what is read"}
FRAME_BYTES_MAX = 131_072


@pytest.mark.parametrize("case", UNDECODABLE)
def test_an_undecodable_property_is_named_and_everything_else_is_read(case: str) -> None:
    name, properties = UNDECODABLE[case]
    beside = {"content_encoding": short(b"none"), "reply_to": short(b"answers"), "content_type": short(b"text/plain")}
    delivery = taken({**{key: value for key, value in beside.items() if key not in properties}, **properties})

    assert delivery.undecoded is not None
    assert delivery.undecoded.startswith(f"{name} ("), delivery.undecoded
    assert delivery.content_type == (None if name == "content_type" else "text/plain")
    assert delivery.reply_to == (None if name == "reply_to" else "answers")
    assert (delivery.body, delivery.routing_key) == (b"body", "order.place.v2")


@pytest.mark.parametrize("case", sorted({*UNDECODABLE} - LIBRARY_READS))
def test_the_client_library_alone_raises(case: str) -> None:
    """Otherwise the adapter is no longer needed. aio-pika raises where pamqp does not."""
    _, properties = UNDECODABLE[case]
    frame = header_frame(properties)[7:-1]
    header = ContentHeader()
    flags = sum(FLAGS[name] for name in properties)
    try:
        amqp_properties._decode_properties(header.properties, flags, frame[14:])
    except (UnmarshalingException, ValueError, OverflowError, RecursionError, IndexError, struct.error):
        return
    with pytest.raises(ValueError, match="not a valid DeliveryMode"):
        IncomingMessage(DeliveredMessage(Mock(), header, b"", Mock()))


def of_array(item: bytes, size: int) -> bytes:
    """Headers of about `size` bytes, with one array of this item."""
    items = item * ((size - 60) // len(item))
    return table([(b"h", b"A" + struct.pack(">I", len(items)) + items)])


@pytest.mark.parametrize("size", [PROPERTIES_BYTES_MAX, FRAME_BYTES_MAX])
@pytest.mark.parametrize("item", [b"V", b"F\0\0\0\0", b"D\xff\xff\xff\xff\xff", b"T" + bytes(8)])
def test_no_headers_of_one_frame_take_long(item: bytes, size: int) -> None:
    """The library takes half a second to three seconds for those of a whole frame, in which nothing else runs."""
    frame = header_frame({"content_type": short(b"text/plain"), "headers": of_array(item, size)})
    assert len(frame) <= FRAME_BYTES_MAX

    def took_s() -> float:
        begun = time.thread_time()
        pamqp.frame.unmarshal(frame)
        return time.thread_time() - begun

    assert min(took_s() for _ in range(3)) < 0.05


def test_properties_up_to_the_limit_are_read_by_the_library() -> None:
    def with_header(size: int) -> Properties:
        return {"headers": table([(b"h", long_string(b"x" * size))]), "message_id": short(b"m-1")}

    fitting = PROPERTIES_BYTES_MAX - sum(map(len, with_header(0).values()))
    assert taken(with_header(fitting)).undecoded is None
    beyond = taken(with_header(fitting + 1))
    assert beyond.undecoded == f"headers ({PROPERTIES_BYTES_MAX - 3} bytes, too many to read)"
    assert beyond.message_id == "m-1"


def test_headers_of_a_shop_are_not_kept() -> None:
    delivery = taken({"headers": of_array(b"V", 1_000)}, exchange=SHOPS_EXCHANGE.encode())

    receipt: Any = delivery.receipt
    assert receipt.headers == {}


def test_a_routing_key_that_is_not_utf8_is_named() -> None:
    delivery = taken({}, NOT_UTF8)

    assert delivery.undecoded == r"routing_key (\xff\xfe" + "\x00" + r"\xc3()"
    assert delivery.routing_key.startswith(r"\xff")


def test_at_most_three_are_named() -> None:
    bad = dict.fromkeys(("message_id", "reply_to", "app_id", "user_id"), short(b"\xff"))

    assert taken(bad).undecoded == "reply_to (ff), message_id (ff), user_id (ff) and 1 more"


def test_an_ordinary_message_is_read_by_the_library_alone() -> None:
    properties = {"headers": table([(b"x", long_string(NOT_UTF8))]), "timestamp": timestamp(1_764_378_000)}
    delivery = taken({**properties, "message_id": short("№ 7".encode()), "expiration": short(b"60000")})

    assert delivery.undecoded is None
    assert delivery.message_id == "№ 7"


def test_no_sender_can_forge_an_undecodable_message() -> None:
    assert amqp_properties.undecoded({"_UNDECODED": ["timestamp"]}, "order.place.v2") is None


def test_installing_twice_is_the_same_as_once() -> None:
    before = spec.Basic.Properties.unmarshal
    amqp_properties.install()

    assert spec.Basic.Properties.unmarshal is before
    assert taken({"timestamp": timestamp(MICROSECONDS)}).undecoded is not None


values = st.one_of(
    st.binary(max_size=12).map(long_string),
    st.binary(min_size=8, max_size=8).map(lambda raw: b"T" + raw),
    st.binary(min_size=8, max_size=8).map(lambda raw: b"l" + raw),
    st.binary(max_size=20),
)
OUR_HEADERS = (
    b"x-tributary-attempts",
    b"x-tributary-replays",
    b"x-tributary-reply-to",
    b"x-tributary-routing-key",
    b"x-tributary-redelivered",
    b"x-delivery-count",
    b"x-death",
)
names = st.one_of(st.sampled_from(OUR_HEADERS), st.binary(max_size=10))
tables = st.lists(st.tuples(names, values), max_size=4).map(table)
of_type: dict[str, st.SearchStrategy[bytes]] = {
    "shortstr": st.binary(max_size=40).map(short),
    "table": st.one_of(tables, st.binary(max_size=30).map(lambda raw: struct.pack(">I", len(raw)) + raw)),
    "octet": st.binary(min_size=1, max_size=1),
    "timestamp": st.binary(min_size=8, max_size=8),
}
properties_of_any_bytes = st.fixed_dictionaries(
    {}, optional={name: of_type[spec.Basic.Properties.amqp_type(name)] for name in spec.Basic.Properties.__slots__}
)


@pytest.mark.hypothesis
@given(properties=properties_of_any_bytes, routing_key=st.binary(max_size=40), redelivered=st.booleans())
def test_any_bytes_reach_the_loop(properties: Properties, routing_key: bytes, redelivered: bool) -> None:
    delivery = taken(properties, routing_key, redelivered=redelivered)

    assert delivery.body == b"body"
    assert 0 <= delivery.attempts <= 1_000
    assert 0 <= delivery.replays <= 1_000
    assert 0 <= delivery.returned <= 1_000
    assert redelivered or delivery.returned == 0
    assert len((delivery.reply_to or "").encode()) <= 255
    if delivery.undecoded is None and routing_key and b"x-tributary-routing-key" not in properties.get("headers", b""):
        assert delivery.routing_key == routing_key.decode()
