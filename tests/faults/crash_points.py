"""Kill every worker after each of its effects, one run for each, and see that nobody can tell from the outcome.

    python -m tests.faults.crash_points [--scenario NAME] [--mode one|many] [--every N] [--only K] [--bug NAME] [--json]

A run ends in the same stored state, the same set of published messages and the same journal outcomes as the run in
which nobody died, or it is printed with its number, its effect, what differs, and the command that plays it again.
Exit code 1 if any run differs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra import local
from infra.cli.actions.hangup import end_like_ctrl_c
from infra.runtime import roster
from infra.terminal.environment import leave_exported_addresses
from tests.faults.crash_ending import Ending, differences
from tests.faults.crash_lab import MODES, Lab, Mode, NeverQuiet, lab
from tests.faults.planted import BUGS
from tests.faults.scenarios import SCENARIOS

NO_CRASH = "no crash"
"""Stands for the effect where a run differs though nobody died in it."""
POINTS_MAX = 2000
"""No scenario has so many effects: a walk that gets here walks in circles."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A point whose run ended otherwise, and how to play it again."""

    point: int
    effect: str
    differences: list[str]
    replay: str


@dataclass(slots=True)
class Walked:
    """One scenario in one mode, point after point."""

    scenario: str
    worker: str
    mode: str
    effects: int
    points: int = 0
    seconds: float = 0.0
    failed: list[Failed] = field(default_factory=list)

    @property
    def passed(self) -> int:
        return self.points - sum(failed.effect != NO_CRASH for failed in self.failed)


async def reference(lab: Lab, name: str, mode: Mode) -> tuple[Ending, int]:
    """The run in which nobody dies, and how many effects it has. AssertionError where the scenario is out of date."""
    run = await lab.run(name, mode)
    scenario = SCENARIOS[name]()
    missed = scenario.outcomes - set(run.ending.outcomes.values())
    assert not missed, f"the scenario {name} no longer brings about {', '.join(sorted(missed))}"
    assert len(run.ending.dead) == scenario.dead, f"dead letters of {name}: {sorted(run.ending.dead)}"
    assert not run.ending.breaches, run.ending.breaches
    return run.ending, run.effects


async def try_point(
    lab: Lab, name: str, mode: Mode, expected: Ending, point: int, bug: str | None = None
) -> tuple[str | None, list[str]]:
    """Let the worker die there; the effect's name (None if it did not get that far) and what differs in the end."""
    try:
        run = await lab.run(name, mode, dies_at=point, bug=bug)
    except NeverQuiet as never:
        return "unknown", [str(never)]
    early = [f"published, but in no journal record when it died: {event}" for event in run.unrecorded]
    return run.died_after, [*early, *differences(expected, run.ending)]


async def walk(
    lab: Lab,
    name: str,
    mode: Mode,
    *,
    every: int = 1,
    only: int | None = None,
    bug: str | None = None,
    progress: Progress | None = None,
) -> Walked:
    """Try the points of one scenario in one mode, until it no longer lives to die."""
    started = time.monotonic()
    walked = Walked(name, SCENARIOS[name]().worker, mode.name, effects=0)
    try:
        expected, walked.effects = await reference(lab, name, mode)
    except (NeverQuiet, AssertionError) as broken:
        replay = f"python -m tests.faults.crash_points --scenario {name} --mode {mode.name} --only {POINTS_MAX}"
        walked.failed.append(Failed(0, NO_CRASH, [str(broken)], replay))
        return walked
    points = [only] if only else _points(walked.effects, every)
    task = progress.add_task(f"{name} {mode.name}", total=min(len(points), walked.effects + 1)) if progress else None
    for point in points:
        effect, differs = await try_point(lab, name, mode, expected, point, bug)
        if effect is not None:
            walked.points += 1
        if differs:
            replay = f"python -m tests.faults.crash_points --scenario {name} --mode {mode.name} --only {point}"
            walked.failed.append(Failed(point, effect or NO_CRASH, differs, f"{replay} --bug {bug}" if bug else replay))
        if progress and task is not None:
            progress.advance(task)
        if effect is None:
            break
    walked.seconds = round(time.monotonic() - started, 1)
    if progress:
        progress.console.print(f"{name} {mode.name}: {walked.passed} of {walked.points} in {walked.seconds} s")
    return walked


def _points(effects: int, every: int) -> Sequence[int]:
    """All points, until the worker survives; or every n-th of those that the run without a crash had."""
    if every == 1:
        return range(1, POINTS_MAX)
    return range(every // 2 + 1, effects + 1, every) or [effects]


@contextmanager
def own_stack() -> Iterator[local.Endpoints]:
    """Servers that nobody else uses, stopped and removed at the end."""
    name = f"crash-points-{os.getpid()}"
    try:
        yield local.up(name, home=local.default_home())
    finally:
        local.down(name, home=local.default_home(), remove_data=True)
        # Nobody else has a stack of this name, so nobody waits for its lock.
        (local.default_home() / f"{name}.lock").unlink(missing_ok=True)


async def _walk_all(endpoints: local.Endpoints, given: argparse.Namespace, progress: Progress) -> list[Walked]:
    names = [name for name, build in SCENARIOS.items() if given.worker in (None, build().worker)]
    names = [given.scenario] if given.scenario else names
    modes = [MODES[given.mode]] if given.mode else list(MODES.values())
    async with lab(endpoints) as opened:
        return [
            await walk(opened, name, mode, every=given.every, only=given.only, bug=given.bug, progress=progress)
            for name in names
            for mode in modes
        ]


def _given(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.crash_points",
        description="Kill every worker after each of its effects, and compare how it ends with a run without a crash.",
    )
    parser.add_argument("--worker", choices=roster.names(), help="the scenarios of one worker only")
    parser.add_argument("--scenario", choices=list(SCENARIOS), help="one scenario only")
    parser.add_argument("--mode", choices=list(MODES), help="batches of one, or of many; both if absent")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every n-th point only")
    parser.add_argument("--only", type=int, metavar="K", help="this point only; needs --scenario and --mode")
    parser.add_argument("--bug", choices=list(BUGS), help="plant this bug in the worker first; it should be caught")
    parser.add_argument("--json", action="store_true", help="print one JSON object for programs")
    given = parser.parse_args(arguments)
    if given.only is not None and not (given.scenario and given.mode):
        parser.error("--only needs --scenario and --mode")
    return given


def main(arguments: Sequence[str] | None = None) -> int:
    given = _given(arguments)
    leave_exported_addresses("Faults are made only in servers that this command starts.")
    end_like_ctrl_c()
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with own_stack() as endpoints, Progress(*columns, console=Console(stderr=True)) as progress:
        walks = asyncio.run(_walk_all(endpoints, given, progress))
    if given.json:
        print(json.dumps([{**asdict(walked), "passed": walked.passed} for walked in walks], indent=2))  # noqa: T201
    else:
        _print(walks)
    return 1 if any(walked.failed for walked in walks) else 0


def _print(walks: Sequence[Walked]) -> None:
    table = Table("worker", "scenario", "mode")
    for title in ("points", "passed", "seconds"):
        table.add_column(title, justify="right")
    for walked in walks:
        table.add_row(
            walked.worker, walked.scenario, walked.mode, str(walked.points), str(walked.passed), f"{walked.seconds:.0f}"
        )
    console = Console()
    console.print(table)
    for walked in walks:
        for failed in walked.failed:
            console.print(f"\n{walked.scenario}, {walked.mode}: point {failed.point}, {failed.effect}", markup=False)
            for difference in failed.differences:
                console.print(f"  {difference}", markup=False)
            console.print(f"  {failed.replay}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
