"""The outside world as the API uses it; `infra.processes.connections` opens the real connections."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from contracts.wire.envelope import Message
from infra.gateway.command_client import Answer
from infra.ports.messaging import Outgoing
from infra.ports.store import Bounded, Document, Parts, Reader, Scans, Store, Summaries


class Documents(Store, Reader, Parts, Scans, Bounded, Summaries, Protocol):
    """The store, which most routes read outside a transaction."""

    async def ping(self) -> None: ...

    async def summarise(self, collection: str, stages: Sequence[Mapping[str, Any]]) -> list[Document]:
        """The result of an aggregation over a collection; an index must serve the first stage."""
        ...


class Commands(Protocol):
    @property
    def connected(self) -> bool: ...

    async def send(
        self, message: Message[Any], *, wait_s: float, on_confirmed: Callable[[], None] = ...
    ) -> Answer | None: ...

    async def forward(self, outgoing: Outgoing) -> None: ...


FetchJson = Callable[[str], Awaitable[dict[str, Any]]]
"""Reads one JSON object from an address; raises KeysUnavailable."""
