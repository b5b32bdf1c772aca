"""The outside of a run: destinations of notifications and webhooks, each with a book, and a network that fails in every
way.

A call may arrive although its answer is lost, or long after its deadline, or twice. `keyed` destinations recognise a
repeat and can be asked; readers of `mail` recognise one, but it cannot be asked; `robot` does neither; `forgetful`
confirms what it remembers. Webhooks, and the routes of operators, are like `mail`.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from pydantic_core import from_json

from contracts.notifications.v1 import NotificationDelivered, NotificationDue
from contracts.webhooks.v1 import WebhookDelivered, WebhookDue
from contracts.wire.answer import Answer, Outcome
from contracts.wire.envelope import STRUCTURED
from infra.ports.messaging import Outgoing
from infra.ports.store import Document
from infra.runtime.worker import Worker
from tests import builders
from tests.receiver import CODES, due
from tests.simulation.history import History
from tests.simulation.scheduler import Scheduler, Sleep, suspend, turn
from tests.simulation.traffic import reader_of
from tests.simulation.world import START

T = TypeVar("T")
Request = NotificationDue | WebhookDue

_DELIVERED = (NotificationDelivered.message_type, WebhookDelivered.message_type)

KINDS = ("keyed", "mail", "robot", "forgetful")
KNOWS_NO_REPEATS = ("robot", "forgetful")
"""Readers there do not recognise a repeat: a notification may arrive once at most."""

WEATHER = ("fine", "fine", "away", "refuses", "answer lost", "late", "twice")
HANGS_MS = 120_000
LATE_MS_MAX = 40_000
REMEMBERED = 0.5
"""The chance that a forgetful destination still knows a key."""

ATTEMPTS_MAX = 6
LOOKS_EVERY_MS = 20_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request reached its reader by call number `call`."""

    request: Request
    key: str
    call: int


def name_of(request: Request) -> str:
    """The id of what is delivered, the same for each attempt."""
    return request.delivery_id if isinstance(request, WebhookDue) else request.notification_id


def kind_of(request: Request) -> str:
    return request.route_id if isinstance(request, NotificationDue) and request.route_id in KINDS else "mail"


@dataclass(slots=True)
class SimulatedOutside:
    scheduler: Scheduler
    rng: random.Random
    history: History
    is_fine: bool = False
    calls: int = 0
    arrivals: list[Arrival] = field(default_factory=list)

    def destination(self, request: Request) -> str:
        if isinstance(request, WebhookDue):
            return request.webhook_id
        return request.channel.host or request.route_id

    async def send(self, request: Request, key: str) -> Answer:
        await turn("call")
        self.calls += 1
        arrival = Arrival(request, key, self.calls)
        weather = "fine" if self.is_fine else self.rng.choice(WEATHER)
        self._record(weather, request)
        if weather in ("away", "refuses"):
            return self._answer("unavailable" if weather == "away" else "refused")
        if weather == "late":
            self.scheduler.after(HANGS_MS // 2 + int(self.rng.random() * LATE_MS_MAX), lambda: self._arrive(arrival))
            await suspend(Sleep(HANGS_MS))
        self._arrive(arrival)
        if weather == "twice":
            self._arrive(arrival)
        await turn("answer")
        if weather == "answer lost":
            await suspend(Sleep(HANGS_MS))
        return self._answer("done")

    async def look_up(self, request: Request, key: str) -> Answer | None:
        await turn("look up")
        kind = kind_of(request)
        has_arrived = any(each.key == key for each in self.arrivals)
        self._record("looks up", request)
        if kind == "robot" or (kind == "forgetful" and not (has_arrived and self.rng.random() < REMEMBERED)):
            return self._answer("unknown")
        return self._answer("done") if has_arrived and kind != "mail" else None

    def _arrive(self, arrival: Arrival) -> None:
        self.arrivals.append(arrival)
        self._record("arrives", arrival.request)

    def _answer(self, outcome: Outcome) -> Answer:
        at = START + timedelta(milliseconds=self.scheduler.now_ms)
        return Answer(outcome, CODES[outcome], f"The outside answers {outcome}.", at)

    def _record(self, what: str, request: Request) -> None:
        detail = f"{kind_of(request)} {name_of(request)} attempt {request.attempt}"
        self.history.add(self.scheduler.now_ms, "outside", what, detail)


@dataclass(frozen=True, slots=True)
class SimulatedCalls:
    """Makes calls in virtual time: other processes continue between their steps."""

    scheduler: Scheduler

    async def make(self, call: Coroutine[Any, Any, T], *, deadline_s: float) -> T | Exception:
        try:
            return await self._bounded(call, self.scheduler.now_ms + int(deadline_s * 1000))
        finally:
            call.close()

    async def _bounded(self, call: Coroutine[Any, Any, T], until_ms: int) -> T | Exception:
        while True:
            try:
                point = call.send(None)
            except StopIteration as done:
                result: T = done.value
                return result
            except Exception as error:
                return error
            if isinstance(point, Sleep) and self.scheduler.now_ms + point.milliseconds > until_ms:
                await suspend(Sleep(max(until_ms - self.scheduler.now_ms, 0)))
                return TimeoutError()
            await suspend(point)


@dataclass(slots=True)
class Requests:
    """Asks for notifications, and for another attempt while the last one failed: what `notification` does by ticks."""

    workers: Sequence[Worker]
    keys: defaultdict[str, set[str]]
    asked: dict[str, list[str]] = field(default_factory=dict)
    """The messages of each notification's attempts."""

    def next_of(self, number: int, outcomes: Mapping[str, str]) -> Outgoing | None:
        """The next attempt of a notification, once the one before was answered by something else than `done`."""
        kind = KINDS[number % len(KINDS)]
        name = f"{kind}-{number}"
        before = self.asked.setdefault(name, [])
        if before and outcomes.get(before[-1], "done") == "done":
            return None
        if len(before) == ATTEMPTS_MAX:
            return None
        request = due(name, route_id=kind, attempt=len(before) + 1, host=f"{kind}.test")
        message = builders.message(request, time=START)
        queue, _ = reader_of(message.type, self.workers)
        before.append(message.key)
        self.keys[queue].add(message.key)
        return Outgoing("", queue, message.to_bytes(), STRUCTURED)


def outcomes_in(journal: Mapping[Any, Document]) -> dict[str, str]:
    """The outcome of each handled message, by its key."""
    return {item["id"]: item["outcome"] for record in journal.values() for item in record.get("handled", ())}


def called_once(outside: SimulatedOutside, journal: Mapping[Any, Document]) -> Iterator[str]:
    """What is sent arrives under one key, once where a repeat is not recognised, and exactly if a report says so."""
    arrived: defaultdict[str, set[int]] = defaultdict(set)
    attempts: set[tuple[str, int]] = set()
    for each in outside.arrivals:
        name = name_of(each.request)
        arrived[name].add(each.call)
        attempts.add((name, each.request.attempt))
        if each.key != name:
            yield f"{name} arrived under another key: {each.key}"
        if kind_of(each.request) in KNOWS_NO_REPEATS and len(arrived[name]) == 2:
            yield f"{name} arrived by two calls, and its reader cannot recognise that"
    for record in journal.values():
        for item in record.get("emitted", ()):
            data = from_json(item["body"])["data"]
            name = data.get("delivery_id") or data.get("notification_id")
            if item["type"] in _DELIVERED and name not in arrived:
                yield f"{name} is reported as delivered, and never arrived"
            if data.get("outcome") == "unavailable" and (name, data["attempt"]) in attempts:
                yield f"{name} is reported as not sent, but attempt {data['attempt']} arrived"
