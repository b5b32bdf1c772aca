"""Watches connections, also while they are idle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aio_pika.abc import AbstractRobustConnection

from infra.telemetry.readiness import Readiness

MONGODB, RABBITMQ = "MongoDB", "RabbitMQ"
_PRIMARY = "primary"


def primary_watch(readiness: Readiness) -> Callable[[str | None], None]:
    """A callback for the store, which reports to `readiness` why there is no primary; None: there is one again."""

    def changed(why_not: str | None) -> None:
        if why_not is None:
            readiness.has(_PRIMARY)
        else:
            readiness.lacks(_PRIMARY, why_not, server=MONGODB)

    return changed


class Link:
    """A connection to RabbitMQ for a `purpose`. Reports its loss and its return to `readiness`."""

    def __init__(self, readiness: Readiness, purpose: str) -> None:
        self._readiness = readiness
        self._part = f"connection that {purpose}"
        self._left = False

    def watch(self, connection: AbstractRobustConnection) -> None:
        self._left = False
        connection.close_callbacks.add(self.on_lost)
        connection.reconnect_callbacks.add(self.on_restored)

    def leave(self) -> None:
        """From now on the connection is closed on purpose."""
        self._left = True

    def on_lost(self, _: Any, error: BaseException | None = None) -> None:
        if not self._left:
            self._readiness.lacks(self._part, f"the connection is lost ({_text(error)})", server=RABBITMQ)

    def on_restored(self, _: Any) -> None:
        self._readiness.has(self._part)


def _text(error: BaseException | None) -> str:
    return str(error) or error.__class__.__name__ if error is not None else "no reason given"
