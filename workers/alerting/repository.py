"""Loads the alerts and letters a batch concerns and saves what changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from contracts.envelope import Message
from contracts.operations.v1 import MessageDeadLettered
from infra.runtime.repository import Codec, Loaded
from infra.runtime.store import Collection, Index, Transaction
from workers.alerting.model import Alert, DeadLetter, Watch, dead_letter_alert, stock_alert

ALERTS = "alerting.alerts"
DEAD_LETTERS = "alerting.dead_letters"

_alerts = Codec(Alert, key="alert")
_letters = Codec(DeadLetter, key="letter_id")
to_alert = _alerts.to_entity


class AlertRepository:
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(
            ALERTS, "alerts by what they are about", (Index((("state", 1), ("changed_at", -1)), "what is open now"),)
        ),
        Collection(
            DEAD_LETTERS,
            "messages set aside, by the event that told of them",
            (
                Index((("state", 1), ("queue", 1), ("reason", 1)), "waiting letters, grouped by cause"),
                Index((("concerns", 1),), "the letters of an order", sparse=True),
            ),
        ),
    )

    def __init__(self, alerts: Loaded[str, Alert], letters: Loaded[str, DeadLetter]) -> None:
        self._alerts = alerts
        self._letters = letters

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Any]]) -> Self:
        letters = [message.id for message in messages if isinstance(message.data, MessageDeadLettered)]
        return cls(
            await _alerts.fetch(tx, ALERTS, map(_alert_key, messages)),
            await _letters.fetch(tx, DEAD_LETTERS, letters),
        )

    def state_for(self, message: Message[Any]) -> Watch:
        return Watch(self._alerts.pick([_alert_key(message)]), self._letters.pick([message.id]))

    def keep(self, state: Watch) -> None:
        self._alerts.keep(state.alerts)
        self._letters.keep(state.letters)

    async def save(self, tx: Transaction) -> None:
        await _alerts.save(tx, ALERTS, self._alerts)
        await _letters.save(tx, DEAD_LETTERS, self._letters)


def _alert_key(message: Message[Any]) -> str:
    data = message.data
    if isinstance(data, MessageDeadLettered):
        return dead_letter_alert(data.queue, data.reason)
    return stock_alert(data.product_id)
