"""Alerts by what they are about, and dead letters by the event that told of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, Self


@dataclass(frozen=True, slots=True)
class Alert:
    """`times` counts how often it was raised, `seen` what it gathered since, `settled` how much of that is done with.

    `crossing` is the newest one known.
    """

    alert: str
    kind: str
    state: Literal["open", "resolved"]
    detail: str
    changed_at: datetime
    times: int = 1
    seen: int = 1
    settled: int = 0
    crossing: int = 0


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message set aside, with its body as it came. It stays when a person has replayed or discarded it."""

    letter_id: str
    worker: str
    queue: str
    message_id: str
    type: str
    reason: str
    detail: str
    attempts: int
    replays: int
    encoding: str
    body: str
    died_at: datetime
    traceback: str | None = None
    concerns: str | None = None
    content_type: str | None = None
    routing_key: str | None = None
    state: Literal["waiting", "replayed", "discarded"] = "waiting"
    settled_by: str | None = None
    settled_at: datetime | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What one message sees: the alert it concerns and the letter it brings, where they exist."""

    alerts: Mapping[str, Alert] = field(default_factory=dict)
    letters: Mapping[str, DeadLetter] = field(default_factory=dict)

    def with_alert(self, alert: Alert) -> Self:
        return replace(self, alerts={**self.alerts, alert.alert: alert})

    def with_letter(self, letter: DeadLetter) -> Self:
        return replace(self, letters={**self.letters, letter.letter_id: letter})


def stock_alert(product_id: int) -> str:
    return f"stock/{product_id}"


def oversold_alert(product_id: int) -> str:
    return f"oversold/{product_id}"


def dead_letter_alert(queue: str, reason: str) -> str:
    """Dead letters of one queue and one cause are one alert: a thousand of them are one thing to mend."""
    return f"dead-letters/{queue}/{reason}"
