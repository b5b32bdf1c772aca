"""What must hold of stored state, recomputed. Each worker audits what it owns; `tributary verify` gathers it all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from infra.runtime.journal import PREFIX
from infra.runtime.store import Reader, Streams

BREACHES_SHOWN_MAX = 20

IN_HAND_MAX = timedelta(days=1)
"""How long a process may hold a message between receipt and commit: as long as its store is away."""


class Read(Reader, Streams, Protocol):
    """Read-only access for audits: streams of any length, in bounded memory."""


@dataclass(frozen=True, slots=True)
class Breach:
    invariant: str
    about: str
    detail: str


@dataclass(slots=True)
class Report:
    """Figures and breaches by invariant (`I1` …). `now` is when the audit began."""

    now: datetime
    figures: dict[str, dict[str, int | str]] = field(default_factory=dict)
    breaches: list[Breach] = field(default_factory=list)
    breach_count: int = 0

    def figure(self, invariant: str, name: str, value: int | str) -> None:
        self.figures.setdefault(invariant, {})[name] = value

    def add(self, invariant: str, name: str, value: int = 1) -> None:
        figures = self.figures.setdefault(invariant, {})
        figures[name] = int(figures.get(name, 0)) + value

    def breach(self, invariant: str, about: str, detail: str) -> None:
        """Count a breach; the first ones are kept to be shown."""
        self.breach_count += 1
        self.figures.setdefault(invariant, {})
        if len(self.breaches) < BREACHES_SHOWN_MAX:
            self.breaches.append(Breach(invariant, about, detail))

    def require(self, holds: bool, invariant: str, about: str, detail: str) -> None:
        if not holds:
            self.breach(invariant, about, detail)

    def still(self, earlier: Report) -> Report:
        """This report without what `earlier` did not find: that was on its way from one worker to the next.

        Where there is more than is kept to be shown, nothing can be told apart, and all of it stands.
        """
        if any(len(report.breaches) < report.breach_count for report in (self, earlier)):
            return self
        known = {(breach.invariant, breach.about) for breach in earlier.breaches}
        lasting = [breach for breach in self.breaches if (breach.invariant, breach.about) in known]
        return Report(self.now, self.figures, lasting, len(lasting))


Audit = Callable[[Read, Report], Awaitable[None]]


async def learnt(read: Read, worker: str, outcome: str) -> AsyncIterator[dict[str, datetime]]:
    """When a worker took what had this outcome, by what it is about: one dict for each batch its journal still has."""
    where = {"handled.outcome": outcome}
    async for record in read.stream(f"{PREFIX}{worker}", where, fields=("at", "handled.about", "handled.outcome")):
        yield {item["about"]: record["at"] for item in record["handled"] if item["outcome"] == outcome}
