"""Shops under faults: an open-loop publisher that keeps a history of what it offered and what was confirmed.

An unconfirmed publish is in doubt: the broker may have the message or not. The publisher then sends the same bytes
again until they are confirmed, as a shop should.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aio_pika
from aio_pika.abc import AbstractExchange, AbstractRobustConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPException, DeliveryError, PublishError

from contracts.wire.envelope import COMMANDS_EXCHANGE, STRUCTURED, derived_id
from infra.demo.baskets import Basket
from infra.demo.traffic import ORDERS, PLACE_V2, Publication

_IN_FLIGHT_MAX = 200
_CONFIRM_WITHIN_S = 8.0
_PAUSE_S = 0.4
_FAILED = (*CONNECTION_EXCEPTIONS, AMQPException, TimeoutError)

Timed = tuple[float, Publication]
"""The second of the load in which a publication is offered, and the publication."""


class NeverConfirmedError(Exception):
    """The broker did not confirm within the time allowed; the text has the last error."""


@dataclass(slots=True)
class Offer:
    """One publication and its history. `doubts` counts the unconfirmed tries."""

    publication: Publication
    offered_at: float
    confirmed_at: float | None = None
    doubts: int = 0


@dataclass(slots=True)
class Shops:
    """Publishes with confirms and a limit of unconfirmed messages; a lost connection is only a delay."""

    url: str
    give_up_after_s: float
    history: list[Offer] = field(default_factory=list)
    _connection: AbstractRobustConnection | None = None
    _exchange: AbstractExchange | None = None
    _renewing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_IN_FLIGHT_MAX))

    async def open(self) -> None:
        self._connection = await aio_pika.connect_robust(self.url, reconnect_interval=0.5)
        await self._open_channel()

    async def _open_channel(self) -> None:
        assert self._connection is not None, "open() comes first"
        channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        self._exchange = await channel.get_exchange(COMMANDS_EXCHANGE, ensure=False)

    async def _renew(self, refused: AbstractExchange | None) -> None:
        """A channel on which the server refused a message may refuse as long as the dead node is away: open another."""
        async with self._renewing:
            if self._exchange is refused:
                with suppress(*_FAILED):
                    async with asyncio.timeout(_CONFIRM_WITHIN_S):
                        await self._open_channel()

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    @property
    def confirmed(self) -> int:
        return sum(offer.confirmed_at is not None for offer in self.history)

    @property
    def doubted(self) -> int:
        """How many messages were sent more than once because they were not confirmed."""
        return sum(offer.doubts > 0 for offer in self.history)

    async def run(self, schedule: Sequence[Timed], on_progress: Callable[[int, int], None]) -> None:
        """Offer each publication in its second without waiting for earlier ones; return when all are confirmed."""
        started = time.monotonic()
        done = 0

        async def offer(publication: Publication) -> None:
            nonlocal done
            try:
                await self.offer(publication)
            finally:
                self._free.release()
            done += 1
            on_progress(done, len(schedule))

        async with asyncio.TaskGroup() as offers:
            for due_s, publication in schedule:
                if (wait_s := started + due_s - time.monotonic()) > 0:
                    await asyncio.sleep(wait_s)
                await self._free.acquire()
                offers.create_task(offer(publication))

    async def offer(self, publication: Publication) -> Offer:
        """Publish until it is confirmed. Raises NeverConfirmedError."""
        entry = Offer(publication, time.monotonic())
        self.history.append(entry)
        while True:
            exchange = self._exchange
            try:
                async with asyncio.timeout(_CONFIRM_WITHIN_S):
                    await self._publish(publication)
            except _FAILED as error:
                entry.doubts += 1
                if isinstance(error, DeliveryError) and not isinstance(error, PublishError):
                    await self._renew(exchange)
                if time.monotonic() - entry.offered_at > self.give_up_after_s:
                    raise NeverConfirmedError(
                        f"a message was not confirmed within {self.give_up_after_s:.0f} s: {error}"
                    ) from error
                await asyncio.sleep(_PAUSE_S)
            else:
                entry.confirmed_at = time.monotonic()
                return entry

    async def _publish(self, publication: Publication) -> None:
        assert self._exchange is not None, "open() comes first"
        message = aio_pika.Message(
            publication.body,
            content_type=publication.content_type,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        await self._exchange.publish(message, routing_key=publication.routing_key, mandatory=True)


def steady(publications: Sequence[Publication], duration_s: float) -> list[Timed]:
    """Spread the traffic over the time: payments, shipments and completions each follow with a lag."""
    phases = 4
    lag_s = duration_s / 10
    span_s = duration_s - lag_s * (phases - 1)
    schedule: list[Timed] = []
    for phase in range(phases):
        group = [publication for publication in publications if publication.phase == phase]
        schedule += [(phase * lag_s + span_s * k / len(group), publication) for k, publication in enumerate(group)]
    return sorted(schedule, key=lambda timed: timed[0])


def order_of(basket: Basket, distributor_id: int, product_id: int, suffix: str) -> Publication:
    """A prepaid order of one product that is always in stock; `suffix` makes its id unique."""
    order_id = f"{basket.basket_id}-{suffix}"
    key = f"{basket.shop_id}/{order_id}"
    event = {
        "specversion": "1.0",
        "id": derived_id("nemesis", key),
        "source": f"urn:shop:{basket.shop_id}",
        "type": PLACE_V2,
        "time": datetime.now(UTC).isoformat(),
        "datacontenttype": "application/json",
        "data": {
            "shop_id": basket.shop_id,
            "order_id": order_id,
            "distributor_id": distributor_id,
            "currency": "USD",
            "placed_at": basket.placed_at.isoformat(),
            "lines": [{"product_id": product_id, "quantity": 1, "amount": "12.50", "discount": "0.50"}],
            "total": "12.00",
            "prepaid": True,
        },
    }
    body = json.dumps(event, separators=(",", ":")).encode()
    return Publication(PLACE_V2, body, STRUCTURED, "order", "taken", (key,), str(event["id"]), ORDERS)


def sprinkled(schedule: Sequence[Timed], extra: Iterable[Publication]) -> list[Timed]:
    """The same load with extra messages, spread evenly."""
    more = list(extra)
    span_s = max(due_s for due_s, _ in schedule)
    added = [(span_s * (k + 0.5) / len(more), publication) for k, publication in enumerate(more)]
    return sorted([*schedule, *added], key=lambda timed: timed[0])
