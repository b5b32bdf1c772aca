"""Decides which task continues next. Tasks are plain coroutines, driven by hand: no event loop, no threads, no other
clock.

Every operation of a port suspends its task. The seed picks among the suspended tasks; virtual time passes only when no
task can continue, or sometimes earlier.
"""

from __future__ import annotations

import heapq
import random
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

STEPS_MAX = 60_000
"""A run that is not idle after this many steps never ends; an ordinary one takes about two thousand."""


class NeverIdle(Exception):
    """The run did not become idle."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Suspended before an operation, until the seed picks it."""

    operation: str


@dataclass(frozen=True, slots=True)
class Sleep:
    """Suspended for this much virtual time."""

    milliseconds: int


@dataclass(frozen=True, slots=True)
class Park:
    """Suspended until the task is woken through `place`."""

    place: Place


class Place(Protocol):
    parked: Task | None


Point = Turn | Sleep | Park


@types.coroutine
def suspend(point: Point) -> Generator[Point, None, None]:
    """Give control back to the scheduler at `point`."""
    yield point


_TURNS: dict[str, Turn] = {}


def turn(operation: str) -> Awaitable[None]:
    """Let other tasks run before `operation` happens."""
    point = _TURNS.get(operation) or _TURNS.setdefault(operation, Turn(operation))
    return suspend(point)


class Owner(Protocol):
    """The process a task belongs to."""

    @property
    def name(self) -> str: ...

    def ended(self, task: Task, error: BaseException | None) -> None: ...


@dataclass(slots=True, eq=False)
class Task:
    name: str
    owner: Owner
    coroutine: Coroutine[Point, None, None]
    operation: str = "start"
    alive: bool = True

    def kill(self) -> None:
        """End it where it is suspended, like a killed process: nothing after that point happens."""
        self.alive = False
        self.coroutine.close()


@dataclass(slots=True)
class Scheduler:
    """`before_step` may end the task's process instead of letting it continue; it returns whether it did."""

    rng: random.Random
    hurry: float = 0.0
    now_ms: int = 0
    steps: int = 0
    current: Owner | None = None
    before_step: Callable[[Task], bool] = lambda _: False
    _ready: list[Task] = field(default_factory=list)
    _timers: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=count)

    def start(self, name: str, owner: Owner, coroutine: Coroutine[Any, None, None]) -> Task:
        task = Task(name, owner, coroutine)
        self._ready.append(task)
        return task

    def wake(self, task: Task) -> None:
        self._ready.append(task)

    def at(self, moment_ms: int, act: Callable[[], None]) -> None:
        """Do `act` at this moment, or as soon as possible after it."""
        heapq.heappush(self._timers, (max(moment_ms, self.now_ms), next(self._numbers), act))

    def after(self, delay_ms: int, act: Callable[[], None]) -> None:
        self.at(self.now_ms + delay_ms, act)

    def run(self, until_ms: int | None = None) -> None:
        """Run all tasks until all are idle, or until virtual time reaches `until_ms`."""
        ready, rng = self._ready, self.rng
        while True:
            if not ready or (self._timers and self.hurry and rng.random() < self.hurry):
                if not self._timers or (until_ms is not None and self._timers[0][0] > until_ms and not ready):
                    break
                self._pass_time()
                continue
            self.steps += 1
            if self.steps > STEPS_MAX:
                waiting = sorted({f"{task.name} before {task.operation}" for task in ready})
                raise NeverIdle(f"still running after {STEPS_MAX} steps: {', '.join(waiting[:5])}")
            picked = int(rng.random() * len(ready))
            ready[picked], ready[-1] = ready[-1], ready[picked]
            task = ready.pop()
            if task.alive and not self.before_step(task):
                self._step(task)
        if until_ms is not None:
            self.now_ms = max(self.now_ms, until_ms)

    def _pass_time(self) -> None:
        self.now_ms = self._timers[0][0]
        while self._timers and self._timers[0][0] == self.now_ms:
            heapq.heappop(self._timers)[2]()

    def _step(self, task: Task) -> None:
        self.current = task.owner
        try:
            point = task.coroutine.send(None)
        except StopIteration:
            task.alive = False
            task.owner.ended(task, None)
            return
        except BaseException as error:
            task.alive = False
            task.owner.ended(task, error)
            return
        finally:
            self.current = None
        if isinstance(point, Turn):
            task.operation = point.operation
            self._ready.append(task)
        elif isinstance(point, Sleep):
            task.operation = "wake"
            self.after(point.milliseconds, lambda: self._ready.append(task))
        else:
            task.operation = "take"
            point.place.parked = task


def run_at_once(coroutine: Coroutine[Any, None, T]) -> T:
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise AssertionError("the coroutine waits, and nothing would wake it")
