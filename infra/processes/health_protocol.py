"""HTTP/1.1 of the health port, with limits: probes are short, and whoever reaches the port may send anything."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_BYTES_MAX = 8 * 1024
REQUEST_WITHIN_S = 5.0
"""From the connection to the end of the first request's headers."""

CONNECTION_WITHIN_S = 30.0
"""A probe that waits for the broker takes 5 s; Prometheus connects again."""

CONNECTIONS_MAX = 100
"""Beyond it the connection that has been open longest without a request ends, so that probes still come through."""


class BoundedHealth(H11Protocol):
    _opened_s = 0.0
    _timers: tuple[asyncio.TimerHandle, ...] = ()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._opened_s = self.loop.time()
        self._timers = (
            self.loop.call_later(REQUEST_WITHIN_S, self._end_unless_asked),
            self.loop.call_later(CONNECTION_WITHIN_S, transport.abort),
        )
        if len(self.connections) > CONNECTIONS_MAX:
            waiting = [one for one in self.connections if isinstance(one, BoundedHealth) and one.cycle is None]
            if waiting:
                min(waiting, key=lambda one: one._opened_s).transport.abort()
            else:
                transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in self._timers:
            timer.cancel()
        super().connection_lost(exc)

    def _end_unless_asked(self) -> None:
        """Later requests of the connection have uvicorn's own timer until they begin, and the connection's end."""
        if self.cycle is None:
            self.transport.abort()
