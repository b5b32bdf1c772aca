"""Whether this process can work now, and if not, what it waits for.

The log has one line when a server can no longer be used, one after each of the doubling pauses while it stays away, and
one when it is back, however many loops of the process wait for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from infra.telemetry.metrics import connected

log = structlog.get_logger()

_FIRST_PAUSE_S = 2.0
_PAUSE_MAX_S = 60.0
_LOOK_EVERY_S = 0.5


@dataclass(slots=True)
class _Outage:
    """A server is away; `parts` are the parts of this process that wait for it."""

    since_s: float
    reason: str
    parts: set[str] = field(default_factory=set)
    pause_s: float = _FIRST_PAUSE_S
    logged_s: float = 0.0


class Readiness:
    """What is lacking, by part: a queue, a connection, or the start itself."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lacking: dict[str, str] = {}
        self._outages: dict[str, _Outage] = {}

    def lacks(self, part: str, reason: str, *, server: str | None = None) -> None:
        """The part cannot work; `server` is the server it waits for, if one is away."""
        self._lacking[part] = reason if server is None else f"waiting for {server}: {reason}"
        self._waits_no_more(part, but_for=server)
        if server is None:
            return
        outage = self._outages.get(server)
        if outage is None:
            now_s = self._monotonic()
            outage = self._outages[server] = _Outage(now_s, reason, logged_s=now_s)
            connected(server, False)
            log.warning("server_away", server=server, reason=reason)
        outage.parts.add(part)
        outage.reason = reason

    def has(self, part: str, *, server: str | None = None) -> None:
        """The part works, or works again; `server` is the server it has just reached, if known."""
        if self._lacking.pop(part, None) is not None:
            self._waits_no_more(part)
        elif server is not None and server not in self._outages:
            connected(server, True)

    def _waits_no_more(self, part: str, *, but_for: str | None = None) -> None:
        for server, outage in list(self._outages.items()):
            if server != but_for and part in outage.parts:
                outage.parts.remove(part)
                if not outage.parts:
                    del self._outages[server]
                    connected(server, True)
                    log.info("server_back", server=server, away_s=self._since(outage))

    def remind(self) -> None:
        """Log each server that is still away, if the pause since its last line is over."""
        now_s = self._monotonic()
        for server, outage in self._outages.items():
            if now_s - outage.logged_s >= outage.pause_s:
                outage.logged_s = now_s
                outage.pause_s = min(outage.pause_s * 2, _PAUSE_MAX_S)
                log.warning(
                    "server_still_away",
                    server=server,
                    away_s=self._since(outage),
                    reason=outage.reason,
                    next_line_in_s=outage.pause_s,
                )

    async def keep_reminding(self) -> None:
        """Run `remind` for ever, as a task of the process."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            self.remind()

    @property
    def reasons(self) -> dict[str, str]:
        """What is lacking, by part; empty when ready."""
        return dict(self._lacking)

    def is_away(self, server: str) -> bool:
        return server in self._outages

    def _since(self, outage: _Outage) -> float:
        return round(self._monotonic() - outage.since_s, 1)
