"""Bugs of calls to the outside, and of the notifications that ask for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from contracts.notifications.v1 import NotificationDue
from contracts.notifications.view import Notification, Route
from infra.ports.messaging import Delivery
from infra.runtime.attempts import Step
from infra.runtime.fold import Work
from infra.runtime.performer import Performer
from workers.notification.deliveries import due_now
from workers.notification.model import State


class AcknowledgesBeforeItsAnswer(Performer):
    """Acknowledges a message before the answer of its call is committed."""

    async def handle(self, deliveries: list[Delivery], works: list[Work]) -> None:
        await self._inbox.acknowledge(deliveries)
        await super().handle(deliveries, works)


class SendsWithoutLooking(Performer):
    """Sends again whatever the notes state."""

    async def _note(self, *given: Any) -> Step | None:
        return "send" if await super()._note(*given) is not None else None


class MakesNewKeys(Performer):
    """Gives every attempt a key of its own."""

    def _key_of(self, item: Any) -> str:
        return str(item.key)


@contextmanager
def unread_notices_marked() -> Iterator[None]:
    """A tick reads one notice, and takes the whole group for sent."""

    def leave(state: State, group_id: str, count: int = 1) -> State:
        return state.with_groups(replace(state.groups[group_id], waiting=0, flush_at=None))

    with (
        patch("workers.notification.repository.NOTICES_MAX", 1),
        patch("workers.notification.digests.leave", leave),
    ):
        yield


@contextmanager
def another_id_for_each_attempt() -> Iterator[None]:
    def due(route: Route, notification: Notification) -> NotificationDue:
        attempt = f"{notification.notification_id}-{notification.attempt}"
        return due_now(
            route, replace(notification, notification_id=attempt) if notification.attempt > 1 else notification
        )

    with patch("workers.notification.digests.due_now", due):
        yield


@contextmanager
def never_tried_again() -> Iterator[None]:
    with patch("workers.notification.digests._retry", lambda state, _: (state, [])):
        yield
