"""One destination outside, as a performer sees it: a mail server, a chat robot, a payment provider."""

from __future__ import annotations

from typing import Protocol, TypeVar

from contracts.wire.answer import Answer
from contracts.wire.envelope import Payload

P_contra = TypeVar("P_contra", bound=Payload, contravariant=True)


class Outside(Protocol[P_contra]):
    """Makes a call. It never raises for what the other side does: that is an answer.

    `key` identifies the call for ever: the other side recognises a repeat by it, as far as it can.
    """

    def destination(self, request: P_contra) -> str:
        """Calls to one destination share a circuit breaker; the name may be logged."""
        ...

    async def send(self, request: P_contra, key: str) -> Answer: ...

    async def look_up(self, request: P_contra, key: str) -> Answer | None:
        """The answer that an earlier call with this key had, or will have; None if it certainly never arrived.

        A destination that cannot be asked, but recognises a repeated key (or whose reader does), also answers None: to
        send again with the same key is right there. One that can do neither answers `unknown`.
        """
        ...
