"""Writes docs/reliability.md from the results of a full run."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from textwrap import fill

from tests.faults.nemesis_faults import FAULTS
from tests.faults.nemesis_report import HEADERS, cells
from tests.faults.nemesis_trial import Result

_DRIVERS = ("aio-pika", "faststream", "motor", "pymongo")

_INTRODUCTION = """# Reliability

*Written by `make faults`; a run of all faults replaces it. Do not edit it by hand.*

Real orders flow at a steady rate through the real workers on real servers. In the middle, something breaks. Afterwards
every message that a shop offered must be accounted for, and every stored figure must be right.

## What was found

{summary}

{table}

Each row is a trial with a database of its own:

- **offered**: orders that shops published, including repeats and malformed ones. A shop sent an unconfirmed order
  again, with the same bytes, as a shop should.
- **accepted**, **refused** (with a reason code), **repeated** (recognised, nothing done), **dead-lettered**
  (kept with its reason, for a person): the outcomes. Together they are all that was offered.
- **lost**: orders and status messages that left no trace anywhere. **doubled**: orders, stock bookings, commissions,
  postings and rewards that count twice. Both must be 0.
- **recovered in**: from the end of the fault until an order published after it, behind the whole backlog, was paid
  out in full. Starting a killed server or process is part of it where the fault ends with the kill.
- **verify**: the invariants of `tributary verify`, recomputed from the stored state.

## What each fault does, and what was observed
"""

_CLOSING = """
## How to run it again

```
make faults                                            # crash points first, then all of this
.venv/bin/python -m tests.faults.nemesis                         # this alone, {minutes:.0f} minutes here
.venv/bin/python -m tests.faults.nemesis --only rabbitmq-kill    # one fault
.venv/bin/python -m tests.faults.nemesis --list
```

{date}, on {cores} cores: {servers}; Python {python}; {drivers}.
The workers ran in four processes, one replica of each. Times hold for this machine; a production machine differs.

Two settings differ from production, so that retries end within a trial: messages are retried after 2, 5 and 15 s
instead of 5 s, 1 min and 10 min, and the replica set elects a new primary after 3 s of silence instead of 10. A TCP
proxy makes the network faults, everything runs on one machine, and no disk lost what it had confirmed with `fsync`.

## What recovery waits for

- **A process killed in the middle of a transaction** cannot end it. MongoDB keeps the documents that the transaction
  wrote locked until its time is up (`transactionLifetimeLimitSeconds`, 60 s by default, 20 s here). Other workers that
  need the same documents wait that long: this is most of the recovery time after `kill -9` of a worker.
- **A process killed during a call to the outside** leaves a note. The next process looks the call up before it sends
  again, with the same key: one message of the queue waits for one more answer, 20 s at most.
- **A RabbitMQ node that dies while a pause ends.** Messages that wait for a retry come back by dead-lettering, at least
  once. If the dead node had not yet confirmed one, the broker holds it, where no queue's count shows it, until
  `dead_letter_worker_publisher_confirm_timeout` has passed; then it is delivered. RabbitMQ's default is 3 minutes: with
  it, 347 status messages of one trial arrived after exactly 3 minutes. None was lost, but until then they seemed lost.
  The local stack and the compose file set 10 s (`advanced.config`); set it on your own cluster as well.
"""


def write_document(path: Path, results: Sequence[Result], versions: Mapping[str, str], seconds: float) -> None:
    """Replace the document by one with these results, one for each fault."""
    by_name = {result.fault: result for result in results}
    parts = [_INTRODUCTION.format(summary=_summary(results), table=_table(results))]
    for fault in FAULTS:
        result = by_name[fault.name]
        parts.append(fill(f"- **{fault.name}** {fault.does}. {_observed(result)}".strip(), 120, subsequent_indent="  "))
    parts.append(
        _CLOSING.format(
            minutes=seconds / 60,
            date=f"{datetime.now(UTC):%Y-%m-%d}",
            cores=len(os.sched_getaffinity(0)),
            servers=", ".join(f"{_TITLES.get(name, name)} {version}" for name, version in sorted(versions.items())),
            python=platform.python_version(),
            drivers=", ".join(f"{name} {metadata.version(name)}" for name in _DRIVERS),
        )
    )
    path.write_text("\n".join(parts))


_TITLES = {"rabbitmq": "RabbitMQ", "mongodb": "MongoDB", "redis": "Redis"}


def _summary(results: Sequence[Result]) -> str:
    offered = sum(result.accounts.offered for result in results)
    statuses = sum(result.accounts.statuses for result in results)
    lost = sum(len(result.accounts.lost) for result in results)
    doubled = sum(len(result.accounts.doubled) for result in results)
    held = sum(result.report is not None and not result.report.breaches for result in results)
    failed = [result.fault for result in results if not result.passed]
    verdict = f" Failed: {', '.join(failed)}." if failed else ""
    return (
        f"{len(results)} faults, {offered:,} orders and {statuses:,} status messages offered: **{lost} lost, {doubled} "
        f"doubled**;\nall invariants held after {held} of {len(results)} faults.{verdict}"
    )


def _table(results: Sequence[Result]) -> str:
    rows = [HEADERS, tuple("---" if n == 0 or n == len(HEADERS) - 1 else "--:" for n in range(len(HEADERS)))]
    rows += [cells(result) for result in results]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _observed(result: Result) -> str:
    doubts = ""
    if result.doubted:
        doubts = f"{result.doubted} messages were not confirmed at first and were sent again. "
    broken = f" Failed: {'; '.join(result.breaches)}" if result.breaches else ""
    return f"{doubts}{result.observed}".strip() + broken
