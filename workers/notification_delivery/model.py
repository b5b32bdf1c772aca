"""The delivery of one notification, as published for others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from contracts.notifications.deliveries import NotificationDelivery


@dataclass(frozen=True, slots=True)
class State:
    """The data for one message: the delivery of its notification, if an attempt was answered before."""

    deliveries: Mapping[str, NotificationDelivery] = field(default_factory=dict)

    def with_delivery(self, delivery: NotificationDelivery) -> Self:
        return replace(self, deliveries={**self.deliveries, delivery.notification_id: delivery})
