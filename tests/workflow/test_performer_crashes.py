"""A performer may die after any effect, around its call too: in memory, the end is that of a run without a crash.

The crash points of `tests/faults` prove the same on real servers, and take minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contracts.notifications.deliveries import DELIVERIES
from contracts.operations.v1 import MessageDeadLettered
from infra.ports.store import ATTEMPTS
from infra.runtime import performer, roster
from infra.runtime.batch import Ports
from infra.runtime.lanes import SharedByLanes
from infra.runtime.performer import Performer
from infra.runtime.topology import topology_of
from tests.faults.crash_ending import events_of
from tests.faults.crash_outside import Book, CountedReceiver
from tests.faults.crash_processes import CountedInbox, CountedPublisher, CountedStore
from tests.faults.scenarios.notification_delivery import notification_delivery
from tests.receiver import NOTIFICATION_DUE
from tests.workflow.system import System

pytestmark = pytest.mark.slow

WORKER = "notification_delivery"
POINTS_MIN = 60


class Killed(BaseException):
    """Ends the process: no handler of exceptions catches it."""


@dataclass(slots=True)
class Dying:
    """Counts the effects of a process, which dies after number `dies_at`; a dead one does nothing more."""

    dies_at: int | None = None
    count: int = 0

    def record(self, name: str) -> None:
        self.count += 1
        if self.dies_at is not None and self.count >= self.dies_at:
            raise Killed(name)

    def loop_added(self) -> None: ...

    def waits(self, change: int) -> None: ...


def restart(system: System, effects: Any, book: Book, *, one_by_one: bool) -> None:
    """A new process; the broker redelivers what the former had not acknowledged."""
    system.broker.redeliver()
    worker = system.workers[0]
    settings = system.settings.model_copy(update={"batch_events_max": 1}) if one_by_one else system.settings
    handler = worker.handlers[0]
    ports = Ports(
        CountedStore(system.store, effects),
        CountedPublisher(system.broker, effects),
        system.time,
        system.readiness,
        outside={NOTIFICATION_DUE: CountedReceiver(book, effects)},
    )
    inbox = CountedInbox(system.broker.inbox(worker.queue_of(handler)), effects, 0)
    routed = topology_of(system.workers, settings).routed
    shared = SharedByLanes(system.time, settings, ports.gate)
    system.loops = [Performer(worker, handler, inbox, ports, settings, routed=routed, shared=shared)]


async def run(folder: Path, *, dies_at: int | None, one_by_one: bool) -> tuple[dict[str, Any], int]:
    """The result of the scenario, and the number of effects before the crash."""
    system, book, effects = System([roster.load(WORKER)]), Book(folder / "book"), Dying(dies_at)
    book.clear()
    restart(system, effects, book, one_by_one=one_by_one)
    for phase in notification_delivery().phases:
        await system.broker.publish(phase)
        try:
            await system.run_until_idle()
        except Killed:
            restart(system, Dying(), book, one_by_one=one_by_one)
            await system.run_until_idle()
    report = await system.verify()
    events = events_of(WORKER, (outgoing.body for outgoing in system.broker.published))
    ending = {
        "deliveries": {each["_id"]: each for each in system.documents(DELIVERIES)},
        "answers": {each["_id"]: each["answer"]["outcome"] for each in system.documents(f"{ATTEMPTS}{WORKER}")},
        "published": {e["id"]: e["data"] for e in events if e["type"] != MessageDeadLettered.message_type},
        "outside": book.arrivals(),
        "dead": {item["reason"] for record in system.documents(f"journal.{WORKER}") for item in record.get("dead", ())},
        "breaches": [breach for breach in report.breaches if breach.invariant != "I6"],
    }
    return ending, effects.count


@pytest.mark.parametrize("one_by_one", [True, False])
async def test_a_crash_after_any_effect_is_invisible(tmp_path: Path, one_by_one: bool) -> None:
    expected, effects = await run(tmp_path, dies_at=None, one_by_one=one_by_one)
    assert effects >= POINTS_MIN
    assert expected["breaches"] == []
    assert set(expected["outside"].values()) == {"1"}

    for point in range(1, effects + 1):
        ending, _ = await run(tmp_path, dies_at=point, one_by_one=one_by_one)
        assert ending == expected, f"after effect {point}"


async def test_sending_without_looking_is_visible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, effects = await run(tmp_path, dies_at=None, one_by_one=True)
    monkeypatch.setattr(performer, "step_of", lambda *_: "send")

    endings = [(await run(tmp_path, dies_at=point, one_by_one=True))[0] for point in range(1, effects + 1)]

    assert any(ending["outside"] != expected["outside"] for ending in endings)
