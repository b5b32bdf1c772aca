"""Alerts by what they are about, and dead letters by the event that told of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from contracts.operations.view import Alert, DeadLetter


@dataclass(frozen=True, slots=True)
class State:
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
