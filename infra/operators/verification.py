"""`verify`: checks every invariant over the stored state. Workers audit what they own; the message audit is added."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from infra.auditing.audit import SUBJECTS_MAX, Audit, Read, Report
from infra.operators.invariants import invariants
from infra.operators.lasting_read import LastingRead, Snapshots
from infra.operators.message_audit import audit_messages
from infra.ports.store import SnapshotTooOld, StoreUnavailable
from infra.ports.time import Time
from infra.runtime.worker import Worker

_LOOKS_MAX = 3
_LOOK_AGAIN_AFTER_S = 4.0

OnProgress = Callable[[str, int, int], None]
"""The current activity, how much of it is done, and the total; 0 if the total is unknown."""


class Unfinished(Exception):
    """It is unknown whether the invariants hold; the text states why, and what to do."""


async def verify(read: Read, workers: Sequence[Worker], time: Time) -> Report:
    """Check all invariants, in bounded memory. A breach is in the report, never an exception."""
    report = _empty(time)
    for _, audit in _audits(workers):
        await audit(read, report)
    return report


async def verify_live(
    store: Snapshots, workers: Sequence[Worker], time: Time, on_progress: OnProgress = lambda *_: None
) -> Report:
    """Check all invariants of a running system, each audit as of a separate moment. Raises Unfinished.

    A message on its way from one worker to the next is no breach, nor is a change between two moments. So only the
    subjects of found breaches are checked again a little later, and only lasting breaches are reported. A breach that
    no single snapshot confirms is reported only together with a certain one.
    """
    report = _empty(time)
    found: list[_Found] = []
    for name, audit in _audits(workers):
        part = Report(report.now, report.figures)
        moments = await _look(store, name, audit, part, on_progress)
        if part.breach_count:
            found.append(_Found(name, audit, part, moments))
    for look in range(2, _LOOKS_MAX + 1):
        if not found:
            break
        await time.sleep(_LOOK_AGAIN_AFTER_S)
        lasting = []
        for one in found:
            again = one.report.recheck(time.now())
            name = f"{one.name}, check {look} of what was found"
            moments = await _look(store, name, one.audit, again, on_progress)
            if (part := one.report.confirmed_by(again)).breach_count:
                lasting.append(_Found(one.name, one.audit, part, moments))
        found = lasting
    doubts = [doubt for one in found if (doubt := one.doubt())]
    if doubts and len(doubts) == len(found):
        raise Unfinished(doubts[0])
    for one in found:
        report.merge(one.report)
    return report


@dataclass(frozen=True, slots=True)
class _Found:
    """The findings of an audit, and as of how many moments it read."""

    name: str
    audit: Audit
    report: Report
    moments: int

    def doubt(self) -> str:
        """Why the findings may only be concurrent changes; empty if they are certain breaches."""
        if not self.report.subjects:
            return (
                f"Not verified completely: more than {SUBJECTS_MAX:,} things changed while `{self.name}` was read, too "
                "many to check again. Verify when there is less traffic."
            )
        if self.moments > 1:
            first = self.report.breaches[0]
            return (
                f"Not verified completely: `{self.name}` was read as of {self.moments} moments, as MongoDB keeps no "
                f"snapshot that long, and what it found may have changed between them; the first is {first.about}: "
                f"{first.detail}. Verify when there is less traffic, or raise the server's "
                "minSnapshotHistoryWindowInSeconds."
            )
        return ""


def _empty(time: Time) -> Report:
    return Report(time.now(), {invariant: {} for invariant in invariants()})


def _audits(workers: Sequence[Worker]) -> Iterator[tuple[str, Audit]]:
    for worker in workers:
        for number, audit in enumerate(worker.audits, start=1):
            yield (
                (f"{worker.name} ({number} of {len(worker.audits)})" if len(worker.audits) > 1 else worker.name),
                audit,
            )
    yield "messages", partial(audit_messages, workers=workers)


async def _look(store: Snapshots, name: str, audit: Audit, report: Report, on_progress: OnProgress) -> int:
    """Run the audit; return how many snapshots it read."""
    on_progress(name, 0, 0)
    try:
        async with LastingRead(store, lambda _, done, total: on_progress(name, done, total)) as read:
            await audit(read, report)
            return read.moments
    except StoreUnavailable:
        raise
    except SnapshotTooOld as error:
        raise Unfinished(
            f"Not verified completely: MongoDB does not keep a snapshot for as long as a part of `{name}` takes. "
            "Verify when there is less traffic, or raise the server's minSnapshotHistoryWindowInSeconds."
        ) from error
    except Exception as error:
        cause = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise Unfinished(f"Not verified completely: `{name}` cannot read the stored state. {cause}") from error
