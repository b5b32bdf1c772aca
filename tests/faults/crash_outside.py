"""A receiver of notifications whose book is a file: like the outside, it survives the death of the worker that calls.

What it answers follows from the route alone and from its book, so that a run with a crash ends like one without.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from contracts.notifications.v1 import NotificationDue
from contracts.payouts.v1 import PayoutAttemptDue, PayoutCheckDue
from contracts.webhooks.v1 import WebhookDue
from contracts.wire.answer import Answer, Outcome
from tests.builders import NOW
from tests.receiver import CODES

Request = NotificationDue | WebhookDue | PayoutAttemptDue | PayoutCheckDue

ROBOT = "robot"
"""This route cannot be asked; its reader recognises a repeat by its key."""

OUTCOMES: dict[str, Outcome] = {"gone": "refused", "silent": "unknown"}
"""The answers of single routes; the others answer `done`. A silent one receives, and never confirms."""


@dataclass(frozen=True, slots=True)
class Book:
    """What arrived, in order: a line with route and key for each call."""

    path: Path

    def clear(self) -> None:
        self.path.write_text("")

    def add(self, route: str, key: str) -> None:
        with self.path.open("a") as file:
            file.write(f"{route} {key}\n")

    def has(self, route: str, key: str) -> bool:
        return f"{route} {key}" in self._lines()

    def arrivals(self) -> dict[str, str]:
        """How often each key arrived, by route and key; once is what counts where repeats are recognised."""
        counts = Counter(self._lines())
        return {line: str(1 if line.startswith(ROBOT) else count) for line, count in counts.items()}

    def _lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []


class Recorder(Protocol):
    def record(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class CountedReceiver:
    """Records an effect before and after each call, and after what it changes outside."""

    book: Book
    effects: Recorder

    def destination(self, request: Request) -> str:
        return _place(request)

    async def send(self, request: Request, key: str) -> Answer:
        outcome = OUTCOMES.get(_place(request), "done")
        self.effects.record(f"before sending {key}")
        if outcome in ("done", "unknown"):
            self.book.add(_place(request), key)
            self.effects.record(f"received {key}")
        return _answer(outcome)

    async def look_up(self, request: Request, key: str) -> Answer | None:
        self.effects.record(f"before looking up {key}")
        is_found = _place(request) != ROBOT and self.book.has(_place(request), key)
        self.effects.record(f"looked up {key}")
        return _answer(OUTCOMES.get(_place(request), "done")) if is_found else None


def _place(request: Request) -> str:
    """The route, the webhook, or the payee's method."""
    if isinstance(request, PayoutAttemptDue | PayoutCheckDue):
        return request.method.method_id
    return request.route_id if isinstance(request, NotificationDue) else request.webhook_id


def _answer(outcome: Outcome) -> Answer:
    return Answer(outcome, CODES[outcome], f"The receiver answers {outcome}.", NOW)
