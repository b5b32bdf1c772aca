"""Audits recompute what must hold of stored state. Each worker audits what it owns; `verify` runs them all."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from infra.ports.store import JOURNALS, Document, Reader, Streams

BREACHES_SHOWN_MAX = 20
SUBJECTS_MAX = 10_000
"""How many subjects of breaches are kept, to be checked again."""

TOGETHER = 2_000
"""How many ids an audit looks up at once: a query for each would take some sixty times as long."""

LINES_TOGETHER = 10_000
"""Lines of the orders that are read at once, with what was paid for them: a shop may make 500 of each order."""

IN_HAND_MAX = timedelta(days=1)
"""How long a process may hold a message between receipt and commit: as long as its store is away."""

T = TypeVar("T")

Subject = tuple[str, str]
"""An invariant, and the subject of a breach."""


class Read(Reader, Streams, Protocol):
    """Read-only access for audits: streams of any length, in bounded memory."""


@dataclass(frozen=True, slots=True)
class Breach:
    invariant: str
    about: str
    detail: str


@dataclass(slots=True)
class Report:
    """Figures and breaches by invariant (`I1` …). `now` is when the audit began.

    `only` are the subjects to check, each with the place where it was found; None for all. An audit may read more than
    these, but not completely, and so find false breaches there; only breaches of these subjects count.
    """

    now: datetime
    figures: dict[str, dict[str, int | str]] = field(default_factory=dict)
    breaches: list[Breach] = field(default_factory=list)
    breach_count: int = 0
    only: Mapping[Subject, Any] | None = None
    subjects: dict[Subject, Any] = field(default_factory=dict)
    counts: Counter[Subject] = field(default_factory=Counter)
    unseen: Counter[str] = field(default_factory=Counter)
    """Breaches by invariant whose subjects were not kept."""

    def figure(self, invariant: str, name: str, value: int | str) -> None:
        self.figures.setdefault(invariant, {})[name] = value

    def add(self, invariant: str, name: str, value: int = 1) -> None:
        figures = self.figures.setdefault(invariant, {})
        figures[name] = int(figures.get(name, 0)) + value

    def breach(self, invariant: str, about: str, detail: str, *, place: Any = None) -> None:
        """Count a breach; the first ones are kept for display. `place` is where its audit finds it again."""
        subject = (invariant, about)
        if self.only is not None and subject not in self.only:
            return
        self.breach_count += 1
        self.figures.setdefault(invariant, {})
        if len(self.breaches) < BREACHES_SHOWN_MAX:
            self.breaches.append(Breach(invariant, about, detail))
        if subject in self.subjects or len(self.subjects) < SUBJECTS_MAX:
            self.subjects[subject] = place
            self.counts[subject] += 1
        else:
            self.unseen[invariant] += 1

    def require(self, holds: bool, invariant: str, about: str, detail: str) -> None:
        if not holds:
            self.breach(invariant, about, detail)

    def ids(self, kind: str) -> list[str] | None:
        """The keys to check of one kind (`order` in `order/shop-1/1001`); None for all."""
        if self.only is None:
            return None
        found = (about.partition("/") for _, about in self.only)
        return sorted({key for head, _, key in found if head == kind and key})

    def among(self, kind: str, path: str, of: Callable[[str], Any] = str) -> dict[str, Any]:
        """The query condition for documents of the keys to check of one kind; empty for all."""
        found = self.ids(kind)
        return {} if found is None else {path: {"$in": [of(key) for key in found]}}

    def looks_at(self, *abouts: str) -> bool:
        """Whether one of these subjects is to be checked."""
        return self.only is None or any(about in abouts for _, about in self.only)

    def recheck(self, now: datetime) -> Report:
        """An empty report for a second check of the subjects that this one found; without its figures."""
        return Report(now, only=dict(self.subjects))

    def confirmed_by(self, again: Report) -> Report:
        """This report with only the breaches that `again` found too: the others were messages in transit.

        Breaches beyond `SUBJECTS_MAX` were not checked again, and remain.
        """
        count = again.breach_count + self.unseen.total()
        unseen = self.unseen + again.unseen
        return Report(self.now, self.figures, again.breaches, count, None, again.subjects, again.counts, unseen)

    def merge(self, other: Report) -> None:
        """Add the breaches of another report."""
        self.breach_count += other.breach_count
        self.counts.update(other.counts)
        self.unseen.update(other.unseen)
        self.breaches = [*self.breaches, *other.breaches][:BREACHES_SHOWN_MAX]


Audit = Callable[[Read, Report], Awaitable[None]]


async def together(
    items: AsyncIterable[T], most: int = TOGETHER, *, lines_of: Callable[[T], int] = lambda item: 0
) -> AsyncIterator[list[T]]:
    """The items in lists of at most `most`, none of them empty, so that an audit asks about each list in one query. A
    list ends earlier where its items have LINES_TOGETHER lines.
    """
    taken: list[T] = []
    lines = 0
    async for item in items:
        taken.append(item)
        lines += lines_of(item)
        if len(taken) == most or lines >= LINES_TOGETHER:
            yield taken
            taken, lines = [], 0
    if taken:
        yield taken


def lines_of_order(order: Document) -> int:
    return len(order["lines"])


async def outcome_times(
    read: Read, worker: str, outcome: str, abouts: Iterable[str] | None = None
) -> AsyncIterator[dict[str, datetime]]:
    """When a worker handled the messages of this outcome, by subject, for as long as its journal keeps them: some
    thousand at a time. `abouts` limits the subjects.
    """
    where: dict[str, Any] = {"handled.outcome": outcome}
    if abouts is not None:
        where["about"] = {"$in": list(abouts)}
    fields = ("at", "handled.about", "handled.outcome")
    times = (
        (item["about"], record["at"])
        async for record in read.stream(f"{JOURNALS}{worker}", where, fields=fields)
        for item in record["handled"]
        if item["outcome"] == outcome
    )
    async for taken in together(times):
        yield dict(taken)
