"""Alerts by their key, and dead letters by the id of their event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from contracts.operations.view import Alert, DeadLetter
from contracts.wire.reading import SENDER_UNKNOWN, UNREADABLE_REASONS

LETTERS_OF_SHOP_MAX = 1_000
"""A shop's waiting letters of one cause. Each further one would say the same; the shop is answered all the same."""

NO_SHOP = "?"
"""In place of a shop: all that do not name their login share one limit, or to leave the name out would lift it."""


PARKED_ALERT = "queues/parked"


@dataclass(frozen=True, slots=True)
class Backlog:
    """A queue that was not empty when it was last measured: since when it has not been shorter than `least`."""

    queue: str
    least: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Measured:
    """The queues as they were last measured; there is one such document."""

    at: datetime
    backlogs: tuple[Backlog, ...] = ()
    name: str = "queues"


@dataclass(frozen=True, slots=True)
class State:
    """The data for one message: its alerts, its dead letter and the measured queues, if they exist."""

    alerts: Mapping[str, Alert] = field(default_factory=dict)
    letters: Mapping[str, DeadLetter] = field(default_factory=dict)
    measured: Measured | None = None

    def with_alert(self, alert: Alert) -> Self:
        return replace(self, alerts={**self.alerts, alert.alert: alert})

    def with_letter(self, letter: DeadLetter) -> Self:
        return replace(self, letters={**self.letters, letter.letter_id: letter})


def stock_alert(product_id: int) -> str:
    return f"stock/{product_id}"


def oversold_alert(product_id: int) -> str:
    return f"oversold/{product_id}"


def expiring_alert(product_id: int) -> str:
    return f"expiring/{product_id}"


def expired_alert(product_id: int) -> str:
    return f"expired/{product_id}"


def webhook_alert(webhook_id: str) -> str:
    return f"webhook/{webhook_id}"


def queue_alert(queue: str) -> str:
    return f"queue/{queue}"


def breach_alert(invariant: str) -> str:
    return f"verification/{invariant}"


def route_alert(route_id: str) -> str:
    return f"route/{route_id}"


def doubt_alert(payout_id: str) -> str:
    return f"payout/{payout_id}"


def returned_alert(distributor_id: int, currency: str) -> str:
    return f"payout-returned/{distributor_id}/{currency}"


def conflict_alert(distributor_id: int) -> str:
    return f"payout-conflict/{distributor_id}"


def rail_alert(rail: str) -> str:
    return f"rail/{rail}"


def dead_letter_alert(queue: str, reason: str) -> str:
    """Dead letters with the same queue and reason share one alert: they have one cause to fix."""
    return f"dead-letters/{queue}/{reason}"


def letters_of_shop(queue: str, reason: str, sender: str | None) -> str | None:
    """The key of the alert that counts a shop's unreadable messages of one cause; None for all other letters."""
    if reason == SENDER_UNKNOWN:
        return f"{dead_letter_alert(queue, reason)}/{NO_SHOP}"
    shop = sender.partition(" ")[0] if sender else ""
    return f"{dead_letter_alert(queue, reason)}/{shop}" if shop and reason in UNREADABLE_REASONS else None
