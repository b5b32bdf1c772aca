"""What the inbox of a queue holds, drops and gives back, without a broker."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from contracts.orders.v2 import PlaceOrder
from contracts.wire.envelope import SHOPS_EXCHANGE
from contracts.wire.reading import EXCERPT_BYTES_MAX, body_id
from contracts.wire.refusal import Unreadable
from infra.adapters.rabbitmq_inbox import RabbitInbox
from infra.ports.messaging import Delivery
from infra.ports.time import RealTime
from infra.runtime.decoding import Decoder
from tests.unit.deliveries import SHOP

QUEUE, TAG = "order_intake.order.place", "consumer"


class Broker:
    """A queue whose one consumer has a prefetch; it delivers again what is given back, and counts that."""

    is_closed = False

    def __init__(self, inbox: RabbitInbox, prefetch: int) -> None:
        self.inbox = inbox
        self.prefetch = prefetch
        self.ready: list[tuple[bytes, int]] = []
        self.out: dict[int, tuple[bytes, int]] = {}
        self.acknowledged: list[bytes] = []
        self.delivered_bytes = 0
        self.consumers: dict[str, Any] = {TAG: inbox.take}
        self._tag = 0

    async def deliver(self) -> None:
        """All that the consumer may have ahead."""
        while self.ready and TAG in self.consumers and len(self.out) < self.prefetch:
            self._tag += 1
            body, returned = self.out[self._tag] = self.ready.pop(0)
            self.delivered_bytes += len(body)
            await self.consumers[TAG](_Raw(self, self._tag, body, returned))

    async def basic_cancel(self, consumer_tag: str) -> None:
        del self.consumers[consumer_tag]

    async def basic_qos(self, *, prefetch_count: int) -> None:
        self.prefetch = prefetch_count

    async def basic_consume(self, queue: str, consume: Any, *, consumer_tag: str) -> None:
        assert queue == QUEUE
        self.consumers[consumer_tag] = consume

    async def basic_nack(self, delivery_tag: int, *, requeue: bool, wait: bool) -> None:
        assert requeue
        body, returned = self.out.pop(delivery_tag)
        self.ready.append((body, returned + 1))

    def acknowledge(self, delivery_tag: int) -> None:
        for tag in [tag for tag in self.out if tag <= delivery_tag]:
            self.acknowledged.append(self.out.pop(tag)[0])


class _Raw:
    content_type = message_id = reply_to = None
    routing_key = "order.place.v1"
    consumer_tag = TAG
    exchange = SHOPS_EXCHANGE
    user_id = f"shop.{SHOP}"

    def __init__(self, channel: Broker, delivery_tag: int, body: bytes, returned: int) -> None:
        self.channel, self.delivery_tag, self.body = channel, delivery_tag, body
        self.redelivered = returned > 0
        self.headers = {"x-delivery-count": returned} if returned else {}

    async def ack(self, *, multiple: bool) -> None:
        assert multiple
        self.channel.acknowledge(self.delivery_tag)


async def handle_all(broker: Broker, *, at_once: int = 4) -> list[Delivery]:
    handled: list[Delivery] = []
    for _ in range(10_000):
        await broker.deliver()
        batch: list[Delivery] = []
        while len(batch) < at_once and (delivery := broker.inbox.waiting()) is not None:
            batch.append(delivery)
        if not batch:
            break
        handled += batch
        await broker.inbox.acknowledge(batch)
    return handled


async def test_a_flood_of_large_bodies_goes_round_once() -> None:
    size, prefetch = 1_000, 100
    inbox = RabbitInbox(QUEUE, bytes_max=8 * size, prefetch=prefetch, body_bytes_max=size)
    broker = Broker(inbox, prefetch)
    sent = [str(number).encode().ljust(size) for number in range(200)]
    broker.ready = [(body, 0) for body in sent]

    handled = await handle_all(broker)

    assert sorted(each.body for each in handled) == sorted(sent) == sorted(broker.acknowledged)
    # Each is delivered once, and a prefetch of them twice.
    assert broker.delivered_bytes <= (len(sent) + 2 * prefetch) * size
    assert broker.prefetch == 8


async def test_nothing_is_lost_between_bodies_that_are_dropped_and_bodies_that_are_cut() -> None:
    """An acknowledgement covers all earlier deliveries, also those that were dropped."""
    limit = 20_000
    inbox = RabbitInbox(QUEUE, bytes_max=3 * limit, prefetch=50, body_bytes_max=limit)
    broker = Broker(inbox, 50)
    sizes = [limit, 2 * limit, 100]
    broker.ready = [(str(number).encode().ljust(sizes[number % 3]), 0) for number in range(150)]

    handled = await handle_all(broker)

    assert sorted(int(each.body.strip()) for each in handled) == list(range(150))


async def test_what_the_inbox_gave_back_is_no_suspect() -> None:
    inbox = RabbitInbox(QUEUE, bytes_max=300, prefetch=50, body_bytes_max=100)
    broker = Broker(inbox, 50)
    broker.ready = [(str(number).encode().ljust(100), 0) for number in range(60)]
    broker.ready[7] = (broker.ready[7][0], 2)

    handled = await handle_all(broker)

    assert {each.body.strip(): each.returned for each in handled if each.returned} == {b"7": 2}


async def test_once_bodies_are_small_again_as_many_as_usual_are_delivered_ahead() -> None:
    inbox = RabbitInbox(QUEUE, bytes_max=800, prefetch=50, body_bytes_max=100)
    broker = Broker(inbox, 50)
    broker.ready = [(str(number).encode().ljust(100), 0) for number in range(60)]
    await handle_all(broker)
    assert broker.prefetch == 8
    broker.ready = [(str(number).encode().ljust(10), 0) for number in range(60)]

    handled = await handle_all(broker)

    assert len(handled) == 60
    assert broker.prefetch == 50


async def test_of_a_body_that_is_not_read_only_the_beginning_is_held() -> None:
    """Eight times as much as there is room for, and none of it is given back."""
    limit = 20_000
    inbox = RabbitInbox(QUEUE, bytes_max=10 * limit, prefetch=100, body_bytes_max=limit)
    broker = Broker(inbox, 100)
    bodies = [str(number).encode().ljust(2 * limit) for number in range(40)]
    broker.ready = [(body, 0) for body in bodies]
    await broker.deliver()
    assert len(broker.out) == 40

    handled = await handle_all(broker)

    assert [(each.whole_bytes, each.whole_id) for each in handled] == [(2 * limit, body_id(body)) for body in bodies]
    assert all(len(each.body) == EXCERPT_BYTES_MAX for each in handled)
    assert all(each.receipt.body == b"" for each in handled)  # type: ignore[attr-defined]
    assert broker.delivered_bytes == 40 * 2 * limit


async def test_the_letter_of_a_body_that_is_not_read_has_its_length_and_id() -> None:
    limit = 20_000
    inbox = RabbitInbox(QUEUE, bytes_max=10 * limit, body_bytes_max=limit)
    broker = Broker(inbox, 1)
    body = b'{"x":"' + b"a" * limit
    broker.ready = [(body, 0)]
    await broker.deliver()
    delivery = inbox.waiting()
    assert delivery is not None
    decoder = Decoder((PlaceOrder,), limit, RealTime())

    [work] = decoder.works_of(delivery)

    assert decoder.is_too_large(delivery)
    assert isinstance(work.item, Unreadable)
    assert (work.item.id, work.item.body) == (body_id(body), body[:EXCERPT_BYTES_MAX])
    assert work.item.detail.startswith(f"body: {len(body)} bytes, and at most {limit}")
    assert work.sender is not None
    assert work.sender.shop == SHOP
    assert delivery.received_at <= datetime.now(UTC)
