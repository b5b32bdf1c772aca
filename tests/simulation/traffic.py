"""What the outside world sends in a run, and its expected outcomes."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache

from contracts.orders.v1 import RefundOrder
from contracts.orders.v2 import PlaceOrder
from contracts.subjects import OfOrder
from contracts.wire.envelope import BATCH, COMMANDS_EXCHANGE, SHOP_SOURCE, SHOPS_EXCHANGE, STRUCTURED, Payload
from contracts.wire.reading import Reader
from infra.ports.messaging import Outgoing
from infra.runtime.worker import Handler, Worker
from tests import builders
from tests.simulation.broker import LOGIN
from tests.simulation.chains import Chain
from tests.simulation.world import (
    POISON,
    SENT,
    SKEWS,
    START,
    STUMBLING,
    TRAFFIC_S,
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One AMQP message from outside, for the queue `queue`."""

    at_ms: int
    queue: str
    outgoing: Outgoing
    forged: bool = False


@dataclass(frozen=True, slots=True)
class ByLogin:
    """A message that a shop's login sent, with the id by which that shop knows it; `key` is that of its repeats.

    The key of a forged one is the key that it would have without the check whose it is.
    """

    shop: str
    message_id: str
    key: str
    forged: bool


@dataclass(slots=True)
class Traffic:
    """`keys` are the messages that each queue must account for, `dead` the expected dead letters with their reasons.

    `used` has the digests of all commands that were sent under one key.
    """

    rng: random.Random
    workers: Sequence[Worker]
    arrivals: list[Arrival] = field(default_factory=list)
    keys: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    dead: dict[str, str] = field(default_factory=dict)
    commands: defaultdict[str, list[PlaceOrder]] = field(default_factory=lambda: defaultdict(list))
    refunds: defaultdict[str, dict[str, RefundOrder]] = field(default_factory=lambda: defaultdict(dict))
    """By order and refund id, accepted or not."""
    chains: list[Chain] = field(default_factory=list)
    used: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    by_login: list[ByLogin] = field(default_factory=list)
    moments: tuple[float, ...] = ()
    """When the outside world sends, as fractions of its time: all at once, in bursts, or occasionally."""
    _numbers: int = 0

    def send(
        self,
        *payloads: Payload,
        within_s: float = TRAFFIC_S,
        times: int = 1,
        dead: str | None = None,
        used_id: str | None = None,
        source: str = "test",
    ) -> None:
        """Payloads of one type, in one AMQP message, which arrives `times` times; `used_id` is one used elsewhere."""
        messages = []
        shops = {getattr(payload, "shop_id", None) if payload.from_shops else None for payload in payloads}
        login = self.login_of(shops.pop()) if len(shops) == 1 and used_id is None else None
        for payload in payloads:
            self._numbers += 1
            sent = SENT if used_id else self._sent(payload)
            message = builders.message(payload, id=used_id or f"sent-{self._numbers}", time=sent, source=source)
            if login is not None:
                message = message.model_copy(update={"source": f"{SHOP_SOURCE}{login}"})
            messages.append(message)
            if used_id is not None and message.digest is not None:
                self.used[message.key].add(message.digest)
            if isinstance(payload, PlaceOrder):
                self.commands[payload.key].append(payload)
            if isinstance(payload, RefundOrder):
                self.refunds[payload.key][payload.refund_id] = payload
        bodies = [message.to_bytes() for message in messages]
        body, content_type = (bodies[0], STRUCTURED) if len(bodies) == 1 else (b"[" + b",".join(bodies) + b"]", BATCH)
        message_type = payloads[0].message_type
        self.send_bytes(message_type, body, content_type, within_s=within_s, times=times, dead=dead, login=login)

    def login_of(self, shop_id: str | None) -> str | None:
        """The shop, if it sends by its own login: that is so for a third of what shops send."""
        chance = random.Random(f"login/{self.moments}/{self._numbers}/{len(self.arrivals)}")
        return shop_id if chance.random() < 1 / 3 else None

    def forge(self, login: str, message_type: str, body: bytes, content_type: str) -> None:
        """A message by the login of a shop that is not that shop's own."""
        self.send_bytes(message_type, body, content_type, login=login, forged=True)

    def _sent(self, payload: Payload) -> datetime:
        """The time on the sender's clock, which is absurd for an eighth of the messages about orders."""
        clock = random.Random(f"{self.moments}/{self._numbers}")
        is_of_order = isinstance(payload, OfOrder) and payload.order_id not in (POISON, STUMBLING)
        return SENT + clock.choice(SKEWS) if is_of_order and clock.random() < 0.125 else SENT

    def send_bytes(
        self,
        message_type: str,
        body: bytes,
        content_type: str,
        *,
        within_s: float = TRAFFIC_S,
        times: int = 1,
        dead: str | None = None,
        login: str | None = None,
        forged: bool = False,
    ) -> None:
        """By the login of a shop, if `login` is its id."""
        queue, handler = reader_of(message_type, self.workers)
        items = _reader(handler.payloads).read(
            body, content_type=content_type, routing_key=message_type, received_at=START
        )
        if not forged:
            self.keys[queue].update(item.key for item in items if item.key not in self.used)
        if login is not None:
            self.by_login += [ByLogin(login, item.id, item.key, forged) for item in items]
        if dead is not None:
            self.dead.update((item.id, dead) for item in items)
        outgoing = Outgoing(COMMANDS_EXCHANGE, message_type, body, content_type)
        if login is not None:
            outgoing = replace(outgoing, exchange=SHOPS_EXCHANGE, headers={LOGIN: login})
        for _ in range(times):
            self.arrivals.append(Arrival(int(self.rng.choice(self.moments) * within_s * 1000), queue, outgoing, forged))

    def completed_ms(self) -> dict[str, int]:
        """When the shop first reported an order's completion, in virtual time, by order."""
        first: dict[str, int] = {}
        for arrival in sorted(self.arrivals, key=lambda item: item.at_ms):
            if b'"completed"' in arrival.outgoing.body and not arrival.forged:
                data = json.loads(arrival.outgoing.body)["data"]
                first.setdefault(f"{data['shop_id']}/{data['order_id']}", arrival.at_ms)
        return first


@cache
def _reader(payloads: tuple[type[Payload], ...]) -> Reader:
    return Reader(payloads)


def reader_of(message_type: str, workers: Sequence[Worker]) -> tuple[str, Handler]:
    for worker in workers:
        for handler in worker.handlers:
            if any(payload.message_type == message_type for payload in handler.payloads):
                return worker.queue_of(handler), handler
    raise AssertionError(f"no worker reads {message_type}")
