"""`python -m tests.simulation`: run seeds, and list which failed and how to replay them. Exit code 1 if any failed."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation.run import simulate
from tests.simulation.sweep import Outcome, sweep

FAILURES_SHOWN_MAX = 10

out = Console(highlight=False, soft_wrap=True)


def arguments(args: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, metavar="N", help="how many seeds to run (default 1000)")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first of them (default 1)")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="how many at a time (default 2)")
    parser.add_argument("--seed", type=int, metavar="S", help="run this one only")
    parser.add_argument("--verbose", action="store_true", help="with --seed: print the whole history")
    parser.add_argument("--json", action="store_true", help="print one JSON object and no progress")
    return parser.parse_args(args)


def run_one(seed: int, *, verbose: bool, as_json: bool) -> int:
    result = simulate(seed)
    if as_json:
        history = list(result.history.lines()) if verbose else []
        _print_json({**_summary(result), "digest": result.history.digest(), "history": history})
        return 1 if result.breaches else 0
    if verbose:
        for line in result.history.lines():
            out.print(line, markup=False)
    for breach in result.breaches:
        out.print(f"BREACH  {breach}", markup=False, style="red")
    out.print(
        f"seed {seed}: {result.orders} orders, {result.steps} steps, {result.faults} faults, "
        f"{len(result.breaches) or 'no'} breaches, history {result.history.digest()}"
    )
    return 1 if result.breaches else 0


def run_many(first: int, seeds: int, *, processes: int, as_json: bool) -> int:
    began = time.monotonic()
    outcomes: list[Outcome] = []
    columns = (TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, disable=as_json or not out.is_terminal) as progress:
        task = progress.add_task("", total=seeds)
        for outcome in sweep(range(first, first + seeds), processes=processes):
            outcomes.append(outcome)
            progress.advance(task)
    failed = [outcome for outcome in outcomes if outcome.breaches]
    figures = {
        "seeds": seeds,
        "first": first,
        "failed": len(failed),
        "orders": sum(outcome.orders for outcome in outcomes),
        "steps": sum(outcome.steps for outcome in outcomes),
        "faults": sum(outcome.faults for outcome in outcomes),
        "seconds": round(time.monotonic() - began, 1),
    }
    if as_json:
        _print_json({**figures, "failures": [asdict(outcome) for outcome in failed]})
        return 1 if failed else 0
    for outcome in failed[:FAILURES_SHOWN_MAX]:
        out.print(f"seed {outcome.seed} failed:", style="red")
        for breach in outcome.breaches:
            out.print(f"  {breach}", markup=False)
        out.print(f"  replay it: {outcome.replay}", markup=False)
    if len(failed) > FAILURES_SHOWN_MAX:
        out.print(f"and {len(failed) - FAILURES_SHOWN_MAX} more seeds")
    out.print(
        f"{seeds} seeds from {first}: {figures['orders']} orders, {figures['steps']} steps, "
        f"{figures['faults']} faults, "
        f"{len(failed) or 'no'} failed, in {figures['seconds']} s"
    )
    return 1 if failed else 0


def _summary(result: object) -> dict[str, object]:
    return {name: getattr(result, name) for name in ("seed", "breaches", "replay", "steps", "faults", "orders")}


def _print_json(content: object) -> None:
    sys.stdout.write(json.dumps(content, indent=2) + "\n")


def main() -> int:
    options = arguments()
    if options.seed is not None:
        return run_one(options.seed, verbose=options.verbose, as_json=options.json)
    return run_many(options.first, options.seeds, processes=options.processes, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
