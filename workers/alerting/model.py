"""Alerts by their key, and dead letters by the id of their event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from contracts.operations.view import Alert, DeadLetter


@dataclass(frozen=True, slots=True)
class State:
    """The data for one message: its alert and its dead letter, if they exist."""

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
    """Dead letters with the same queue and reason share one alert: they have one cause to fix."""
    return f"dead-letters/{queue}/{reason}"
