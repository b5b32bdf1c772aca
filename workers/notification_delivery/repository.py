"""Loads and saves the deliveries that a batch changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from contracts.notifications.deliveries import DELIVERIES, NotificationDelivery
from contracts.notifications.v1 import NotificationDue
from contracts.webhooks.v1 import WebhookDue
from contracts.wire.envelope import Message
from infra.ports.store import Collection, Query, Transaction
from infra.runtime.repository import Codec, Found, Loaded, Repository, with_ids
from workers.notification_delivery.model import State

Consumed = NotificationDue | WebhookDue

_deliveries = Codec(NotificationDelivery, key="notification_id")


class DeliveryRepository(Repository[State, Consumed]):
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(DELIVERIES, "the newest attempt of each notification and its outcome, by notification"),
    )

    def __init__(self, deliveries: Loaded[str, NotificationDelivery]) -> None:
        self._deliveries = deliveries

    @classmethod
    def queries(cls, messages: Sequence[Message[Consumed]]) -> dict[str, Query]:
        return {"deliveries": with_ids(DELIVERIES, (key for message in messages for key in _notification(message)))}

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Consumed]], found: Found) -> Self:
        return cls(_deliveries.loaded(found["deliveries"]))

    def state_for(self, message: Message[Consumed]) -> State:
        return State(self._deliveries.pick(_notification(message)))

    def keep(self, state: State) -> None:
        self._deliveries.keep(state.deliveries)

    async def save(self, tx: Transaction) -> None:
        await _deliveries.save(tx, DELIVERIES, self._deliveries)


def _notification(message: Message[Consumed]) -> tuple[str, ...]:
    """The notification to send; the deliveries of webhooks are kept by who asks for them."""
    return (message.data.notification_id,) if isinstance(message.data, NotificationDue) else ()
