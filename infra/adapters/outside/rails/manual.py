"""The rail `manual`: persons pay at the portal of a bank, with a file, and two of them say what became of it."""

from __future__ import annotations

from contracts.wire.answer import Answer
from infra.ports.rails import Order
from infra.ports.time import Time
from infra.receivers.guard import Resolve
from infra.settings import Settings


def make(settings: Settings, time: Time, resolve: Resolve) -> Manual:
    return Manual(time)


class Manual:
    def __init__(self, time: Time) -> None:
        self._time = time

    async def send(self, order: Order, key: str) -> Answer:
        return Answer("done", "accepted", "It waits for a person who pays it at the bank's portal.", self._time.now())

    async def look_up(self, key: str, reference: str | None) -> Answer | None:
        """None: nothing was called, so nothing can come twice."""
        return None
