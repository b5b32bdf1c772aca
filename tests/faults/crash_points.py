"""Kill every worker after each of its effects, one run for each, and check that the crash is invisible afterwards.

    python -m tests.faults.crash_points [--scenario NAME] [--mode one|many] [--every N] [--only K] [--bug NAME] [--json]

Each run must end with the same stored state, published messages and journal outcomes as the run without a crash. Any
other run is printed with its number, its effect, what differs, and the command that repeats it.
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
"""Used as the effect of a run that differs although no worker died in it."""
POINTS_MAX = 2000
"""More effects than any scenario has: a walk that gets here does not end."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A point whose run ended differently, and the command that repeats it."""

    point: int
    effect: str
    differences: list[str]
    replay: str


@dataclass(slots=True)
class Walked:
    """The result of one scenario in one mode, over all its points."""

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
    """The run without a crash, and how many effects it has. AssertionError where the scenario is out of date."""
    run = await lab.run(name, mode)
    scenario = SCENARIOS[name]()
    missed = scenario.outcomes - set(run.ending.outcomes.values())
    assert not missed, f"the scenario {name} no longer causes {', '.join(sorted(missed))}"
    assert len(run.ending.dead) == scenario.dead, f"dead letters of {name}: {sorted(run.ending.dead)}"
    assert not run.ending.breaches, run.ending.breaches
    return run.ending, run.effects


async def try_point(
    lab: Lab, name: str, mode: Mode, expected: Ending, point: int, bug: str | None = None
) -> tuple[str | None, list[str]]:
    """Let the worker die there. Return the effect's name (None if it ended earlier) and what differs in the end."""
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
    """Try the points of one scenario in one mode, until a run ends before its point."""
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
    """All points, until the worker survives; or every n-th effect of the run without a crash, at least one."""
    if every == 1:
        return range(1, POINTS_MAX)
    if effects < every:
        # Runs differ by some effects: the middle is in each.
        return [max(effects // 2, 1)]
    return range(every // 2 + 1, effects + 1, every)


@contextmanager
def own_stack() -> Iterator[local.Endpoints]:
    """Servers of this run only, stopped and removed at the end."""
    name = f"crash-points-{os.getpid()}"
    try:
        yield local.up(name, home=local.default_home())
    finally:
        local.down(name, home=local.default_home(), remove_data=True)
        # No other process has a stack of this name, so none waits for its lock.
        (local.default_home() / f"{name}.lock").unlink(missing_ok=True)


async def _walk_all(endpoints: local.Endpoints, options: argparse.Namespace, progress: Progress) -> list[Walked]:
    names = [name for name, build in SCENARIOS.items() if options.worker in (None, build().worker)]
    names = [options.scenario] if options.scenario else names
    modes = [MODES[options.mode]] if options.mode else list(MODES.values())
    async with lab(endpoints) as opened:
        return [
            await walk(opened, name, mode, every=options.every, only=options.only, bug=options.bug, progress=progress)
            for name in names
            for mode in modes
        ]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
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
    options = parser.parse_args(arguments)
    if options.only is not None and not (options.scenario and options.mode):
        parser.error("--only needs --scenario and --mode")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    leave_exported_addresses("Faults are made only in servers that this command starts.")
    end_like_ctrl_c()
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with own_stack() as endpoints, Progress(*columns, console=Console(stderr=True)) as progress:
        walks = asyncio.run(_walk_all(endpoints, options, progress))
    if options.json:
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
