"""Publishes time as messages: one tick per slot. Its id is derived from the slot, so a second clock does no harm.

About once a minute it also publishes how many messages wait in the queues, from which alerts are made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import structlog

from contracts.clock.v1 import ClockTicked
from contracts.operations.v1 import QueueMeasured
from contracts.wire.envelope import BATCH, EVENTS_EXCHANGE, derived_id, message_of
from infra.ports.messaging import BrokerUnavailable, Outgoing, Publisher
from infra.ports.time import Time
from infra.runtime.topology import PARKED
from infra.telemetry.readiness import Readiness

log = structlog.get_logger()

SOURCE = "clock"
MEASURED_EVERY_S = 60

Measure = Callable[[], Awaitable[Mapping[str, int]]]
"""Returns the ready messages of each queue, or raises BrokerUnavailable."""


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


def measured(slot: int, interval_s: int, ready: Mapping[str, int]) -> Outgoing:
    """What waits in the queues at this slot. A second clock that counts at another moment only sends a duplicate."""
    at = datetime.fromtimestamp(slot * interval_s, UTC)
    waiting = {queue: count for queue, count in sorted(ready.items()) if count and queue != PARKED}
    message = message_of(QueueMeasured)(
        id=derived_id(SOURCE, QueueMeasured.message_type, interval_s, slot),
        source=SOURCE,
        type=QueueMeasured.message_type,
        time=at,
        data=QueueMeasured(at=at, parked=ready.get(PARKED, 0), waiting=waiting),
    )
    return Outgoing(EVENTS_EXCHANGE, QueueMeasured.message_type, b"[" + message.to_bytes() + b"]", BATCH)


async def run(publisher: Publisher, time: Time, readiness: Readiness, *, interval_s: int, measure: Measure) -> None:
    """Publish a tick at the start of every slot, for ever. A tick missed while the broker is away is not sent later.

    Once a minute the queues are measured too, and what waits is published; that nothing waits, only the first time.
    """
    was_waiting = True
    while True:
        now_s = time.now().timestamp()
        slot = int(now_s // interval_s) + 1
        await time.sleep(slot * interval_s - now_s)
        try:
            await publisher.publish([tick(slot, interval_s)])
            readiness.has(SOURCE)
        except BrokerUnavailable as error:
            readiness.lacks(SOURCE, str(error), server="RabbitMQ")
            continue
        if slot * interval_s % MEASURED_EVERY_S < interval_s:
            was_waiting = await _publish_measured(publisher, measure, slot, interval_s, was_waiting=was_waiting)


async def _publish_measured(
    publisher: Publisher, measure: Measure, slot: int, interval_s: int, *, was_waiting: bool
) -> bool:
    """Whether messages wait; as before if that could not be found out or published."""
    try:
        ready = await measure()
        is_waiting = any(ready.values())
        if is_waiting or was_waiting:
            await publisher.publish([measured(slot, interval_s, ready)])
    except BrokerUnavailable as error:
        log.info("queues_not_measured", error=str(error), consequence="they are measured again in a minute")
        return was_waiting
    return is_waiting
