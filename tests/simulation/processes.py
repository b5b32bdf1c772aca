"""The processes of a run: two of every worker and two clocks, on two machines whose clocks may differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from infra.processes import clock
from infra.runtime.batch import BatchLoop, Ports
from infra.runtime.lanes import SharedByLanes
from infra.runtime.performer import Performer
from infra.runtime.worker import Worker
from infra.settings import Settings
from infra.telemetry.readiness import Readiness
from tests.receiver import ATTEMPT_DUE, CHECK_DUE, NOTIFICATION_DUE, WEBHOOK_DUE
from tests.simulation.bank import SimulatedBank
from tests.simulation.broker import SimulatedBroker, SimulatedInbox, SimulatedPublisher
from tests.simulation.faults import Faults
from tests.simulation.outside import SimulatedCalls, SimulatedOutside
from tests.simulation.scheduler import Park, Scheduler, Sleep, Task, suspend
from tests.simulation.store import SaveBroken, SimulatedStore
from tests.simulation.webhooks import with_webhooks
from tests.simulation.world import READERS

RESTART_MS_MAX = 5_000
LANES = 3
"""Of a performer's queue: one more than those of one owner."""

RETURNS_MAX = 3
"""How often faults may requeue a worker's messages: a few times more, and the runtime would rightly take them for
poison messages."""


class Killed(BaseException):
    """Raised by a poison message: it ends the process, and no exception handler catches it."""


@dataclass(slots=True)
class Machine:
    """A machine of processes; `ahead_ms` is how far its clock is ahead of virtual time, or behind."""

    ahead_ms: int = 0


@dataclass(frozen=True, slots=True)
class VirtualTime:
    scheduler: Scheduler
    machine: Machine
    start: datetime

    def now(self) -> datetime:
        return self.start + timedelta(milliseconds=self.scheduler.now_ms + self.machine.ahead_ms)

    def monotonic(self) -> float:
        return self.scheduler.now_ms / 1000

    async def sleep(self, seconds: float) -> None:
        await suspend(Sleep(math.ceil(seconds * 1000)))


@dataclass(slots=True, eq=False)
class Waiting:
    parked: Task | None = None


@dataclass(slots=True)
class OneAtATime:
    """A lock for the loops of a process. The seed picks the next of the waiting ones."""

    scheduler: Scheduler
    taken: bool = False
    waiting: list[Waiting] = field(default_factory=list)

    async def __aenter__(self) -> None:
        while self.taken:
            place = Waiting()
            self.waiting.append(place)
            await suspend(Park(place))
        self.taken = True

    async def __aexit__(self, *_: object) -> None:
        self.taken = False
        for place in self.waiting:
            assert place.parked is not None
            self.scheduler.wake(place.parked)
        self.waiting.clear()


@dataclass(slots=True)
class World:
    """What the processes of a run share. `returns` counts requeues by worker."""

    scheduler: Scheduler
    faults: Faults
    store: SimulatedStore
    broker: SimulatedBroker
    settings: Settings
    routed: frozenset[str]
    start: datetime
    outside: SimulatedOutside
    bank: SimulatedBank
    loop: type[BatchLoop]
    performer: type[Performer]
    inbox: type[SimulatedInbox]
    escaped: list[str] = field(default_factory=list)
    returns: dict[str, int] = field(default_factory=dict)

    def record(self, who: str, what: str, detail: object = "") -> None:
        self.broker.history.add(self.scheduler.now_ms, who, what, detail)


@dataclass(slots=True, eq=False)
class Process:
    """One process: all loops of one worker, as `tributary work NAME` runs them. It is restarted when it ends."""

    world: World
    worker: Worker
    number: int
    machine: Machine
    readiness: Readiness = field(default_factory=Readiness)
    inboxes: list[SimulatedInbox] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    stopping: bool = False

    @property
    def name(self) -> str:
        return f"{self.worker.name}-{self.number}"

    def start(self) -> None:
        world = self.world
        time = VirtualTime(world.scheduler, self.machine, world.start)
        self.readiness, self.stopping = Readiness(time.monotonic), False
        turn = OneAtATime(world.scheduler)
        publisher = SimulatedPublisher(world.broker)
        ports = Ports(
            world.store,
            publisher,
            time,
            self.readiness,
            lambda: READERS,
            turn,
            {
                NOTIFICATION_DUE: world.outside,
                WEBHOOK_DUE: world.outside,
                ATTEMPT_DUE: world.bank,
                CHECK_DUE: world.bank,
            },
            SimulatedCalls(world.scheduler),
            with_webhooks=lambda: with_webhooks(world.store),
        )
        for handler in self.worker.handlers:
            queue = self.worker.queue_of(handler)
            shared = SharedByLanes(time, world.settings, ports.gate)
            for _ in range(LANES if handler.performs else 1):
                inbox = world.inbox(world.broker, queue, time)
                loop = (
                    world.performer(
                        self.worker, handler, inbox, ports, world.settings, routed=world.routed, shared=shared
                    )
                    if handler.performs
                    else world.loop(self.worker, handler, inbox, ports, world.settings, routed=world.routed)
                )
                self.inboxes.append(inbox)
                self.tasks.append(world.scheduler.start(queue, self, loop.run()))

    def may_return(self) -> bool:
        return self.world.returns.get(self.worker.name, 0) < RETURNS_MAX

    def kill(self, why: str = "") -> None:
        self.world.record(self.name, "KILLED", why)
        for task in self.tasks:
            if task.alive:
                task.kill()
        self._leave()

    def stop(self) -> None:
        """Let the loops finish the current batch and end."""
        self.world.record(self.name, "STOPPING")
        self.stopping = True
        for inbox in self.inboxes:
            inbox.close()

    def disconnect(self) -> None:
        self.world.record(self.name, "DISCONNECTED")
        self._count(sum([inbox.disconnect() for inbox in self.inboxes]))

    def ended(self, task: Task, error: BaseException | None) -> None:
        """A loop ended: on request, or by an exception, which ends the process."""
        if isinstance(error, Killed | SaveBroken):
            self.kill(repr(error))
        elif error is not None:
            self.world.escaped.append(f"{task.name}: {error!r}")
            self.kill(repr(error))
        elif not self.stopping:
            self.world.escaped.append(f"{task.name} ended by itself")
            self.kill()
        elif not any(each.alive for each in self.tasks):
            self._leave()

    def _leave(self) -> None:
        self._count(sum([len(inbox.unacknowledged) for inbox in self.inboxes]))
        for inbox in self.inboxes:
            inbox.leave()
        self.inboxes.clear()
        self.tasks.clear()
        self.world.scheduler.after(int(self.world.faults.rng.random() * RESTART_MS_MAX), self.start)

    def _count(self, messages: int) -> None:
        if messages:
            self.world.returns[self.worker.name] = self.world.returns.get(self.worker.name, 0) + 1


@dataclass(slots=True, eq=False)
class ClockProcess:
    """Publishes the time of its machine."""

    world: World
    number: int
    machine: Machine
    readiness: Readiness = field(default_factory=Readiness)
    task: Task | None = None
    over: bool = False

    @property
    def name(self) -> str:
        return f"clock-{self.number}"

    def start(self) -> None:
        if self.over:
            return
        world = self.world
        time = VirtualTime(world.scheduler, self.machine, world.start)
        publisher = SimulatedPublisher(world.broker)
        interval_s = world.settings.clock_interval_s
        ticking = clock.run(publisher, time, self.readiness, interval_s=interval_s, measure=world.broker.depths)
        self.task = world.scheduler.start(self.name, self, ticking)

    def ended(self, task: Task, error: BaseException | None) -> None:
        self.world.escaped.append(f"{task.name}: {error!r}")

    def kill(self) -> None:
        self.world.record(self.name, "KILLED")
        self._stop()
        self.world.scheduler.after(int(self.world.faults.rng.random() * RESTART_MS_MAX), self.start)

    def end(self) -> None:
        """End for good: this clock is not restarted."""
        self.over = True
        self._stop()

    def _stop(self) -> None:
        if self.task is not None:
            self.task.kill()


def process_faults(world: World) -> Callable[[Task], bool]:
    """A function that may inject a fault before a process continues; it returns whether that ended the process."""

    def inject(task: Task) -> bool:
        process, faults = task.owner, world.faults
        if isinstance(process, ClockProcess):
            if faults.strikes(faults.plan.killed):
                process.kill()
                return True
            return False
        if not isinstance(process, Process) or not process.may_return():
            return False
        if faults.strikes(faults.plan.killed):
            process.kill(f"{task.name} before {task.operation}")
            return True
        if faults.strikes(faults.plan.disconnected):
            process.disconnect()
        elif faults.strikes(faults.plan.stopped) and not process.stopping:
            process.stop()
        return False

    return inject


def replicas(world: World, workers: Sequence[Worker], machines: Sequence[Machine]) -> list[Process]:
    """One process per worker and machine."""
    return [
        Process(world, worker, number, machine)
        for worker in workers
        for number, machine in enumerate(machines, start=1)
    ]
