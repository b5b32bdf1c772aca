"""The clock ticks, and measures the queues once a minute, and only if something waits or has waited."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.ports.messaging import BrokerUnavailable, Outgoing
from infra.processes import clock
from infra.runtime.topology import PARKED
from infra.telemetry.readiness import Readiness

START = datetime(2026, 11, 2, 9, 0, 5, tzinfo=UTC)
INTERVAL_S = 20


class Done(Exception):
    """The test has seen enough slots."""


class SlotTime:
    """Time that passes only in `sleep`, for `slots` slots."""

    def __init__(self, slots: int) -> None:
        self._left = slots
        self._now = START

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    async def sleep(self, seconds: float) -> None:
        if not self._left:
            raise Done
        self._left -= 1
        self._now += timedelta(seconds=seconds)


class Recorder:
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        for message in messages:
            self.events += json.loads(message.body)


def published(*counts: dict[str, int] | None, slots: int) -> list[dict[str, Any]]:
    """The events of `slots` slots; each measurement has the next counts, and None is a broker that does not answer."""
    left, recorder = list(counts), Recorder()

    async def measure() -> dict[str, int]:
        if (found := left.pop(0)) is None:
            raise BrokerUnavailable("gone")
        return found

    async def run() -> None:
        with suppress(Done):
            await clock.run(recorder, SlotTime(slots), Readiness(), interval_s=INTERVAL_S, measure=measure)

    asyncio.run(run())
    assert not left
    return recorder.events


def test_every_slot_ticks_and_every_minute_is_measured() -> None:
    events = published({"a.b": 3, "c.d": 0, PARKED: 2}, {"a.b": 4}, slots=6)

    assert [event["type"].split(".")[0] for event in events] == [
        "clock",
        "clock",
        "clock",
        "queue",
        *["clock"] * 3,
        "queue",
    ]
    first, second = (event["data"] for event in events if event["type"] == "queue.measured.v1")
    assert first == {"at": "2026-11-02T09:01:00Z", "parked": 2, "waiting": {"a.b": 3}}
    assert second == {"at": "2026-11-02T09:02:00Z", "parked": 0, "waiting": {"a.b": 4}}


def test_empty_queues_are_published_once() -> None:
    events = published({}, {"a.b": 1}, None, {}, {"a.b": 0}, slots=15)

    assert [event["data"]["waiting"] for event in events if event["type"] == "queue.measured.v1"] == [
        {},
        {"a.b": 1},
        {},
    ]


def test_two_clocks_give_a_minute_the_same_id() -> None:
    one, two = (json.loads(clock.measured(60, INTERVAL_S, ready).body)[0]["id"] for ready in ({"a.b": 1}, {"a.b": 2}))

    assert one == two
    assert one != json.loads(clock.tick(60, INTERVAL_S).body)[0]["id"]
