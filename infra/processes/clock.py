"""Publishes time as messages: one tick per slot. Its id is derived from the slot, so a second clock does no harm."""

from __future__ import annotations

from datetime import UTC, datetime

from contracts.clock.v1 import ClockTicked
from contracts.wire.envelope import BATCH, EVENTS_EXCHANGE, derived_id, message_of
from infra.ports.messaging import BrokerUnavailable, Outgoing, Publisher
from infra.ports.time import Time
from infra.telemetry.readiness import Readiness

SOURCE = "clock"


def tick(slot: int, interval_s: int) -> Outgoing:
    """The tick of a slot; slots count intervals since the epoch. Like every event, it is sent in a batch."""
    at = datetime.fromtimestamp(slot * interval_s, UTC)
    message = message_of(ClockTicked)(
        id=derived_id(SOURCE, interval_s, slot),
        source=SOURCE,
        type=ClockTicked.message_type,
        time=at,
        data=ClockTicked(at=at, interval_s=interval_s),
    )
    return Outgoing(EVENTS_EXCHANGE, ClockTicked.message_type, b"[" + message.to_bytes() + b"]", BATCH)


async def run(publisher: Publisher, time: Time, readiness: Readiness, *, interval_s: int) -> None:
    """Publish a tick at the start of every slot, for ever. A tick missed while the broker is away is not sent later."""
    while True:
        now_s = time.now().timestamp()
        slot = int(now_s // interval_s) + 1
        await time.sleep(slot * interval_s - now_s)
        try:
            await publisher.publish([tick(slot, interval_s)])
            readiness.has(SOURCE)
        except BrokerUnavailable as error:
            readiness.lacks(SOURCE, str(error), server="RabbitMQ")
