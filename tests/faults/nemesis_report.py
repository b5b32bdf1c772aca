"""The results of the trials, as a line, a table and an object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from infra.operators.invariants import invariants
from tests.faults.nemesis_trial import Result

HEADERS = (
    "fault",
    "offered",
    "accepted",
    "refused",
    "repeated",
    "dead-lettered",
    "lost",
    "doubled",
    "recovered in",
    "verify",
)


def cells(result: Result) -> tuple[str, ...]:
    accounts = result.accounts
    recovery = "never" if result.recovery_s is None else f"{result.recovery_s:.1f} s"
    return (
        result.fault,
        *map(
            str,
            (
                accounts.offered,
                accounts.outcomes["accepted"],
                accounts.outcomes["refused"],
                accounts.outcomes["repeated"],
                accounts.outcomes["set_aside"],
                len(accounts.lost),
                len(accounts.doubled),
            ),
        ),
        recovery,
        _verdict(result),
    )


def _verdict(result: Result) -> str:
    if result.report is None:
        return "not reached"
    broken = sorted({breach.invariant for breach in result.report.breaches})
    return f"{', '.join(broken)} broken" if broken else f"{len(invariants())} of {len(invariants())} hold"


def line(result: Result) -> str:
    mark = "[green]passed[/]" if result.passed else "[red]failed[/]"
    pairs = ", ".join(f"{name} {value}" for name, value in zip(HEADERS[1:], cells(result)[1:], strict=True))
    return f"{mark} {result.fault} ({result.seconds:.0f} s): {pairs}. {result.observed}"


def print_table(results: Sequence[Result], seconds: float, console: Console) -> None:
    table = Table(*HEADERS, title="nemesis", title_justify="left")
    for result in results:
        table.add_row(*cells(result), style=None if result.passed else "red")
    console.print(table)
    passed = sum(result.passed for result in results)
    console.print(f"{passed} of {len(results)} faults passed, {seconds / 60:.1f} minutes in all.", highlight=False)


def as_object(results: Sequence[Result], seconds: float) -> dict[str, Any]:
    return {
        "passed": all(result.passed for result in results),
        "seconds": round(seconds, 1),
        "faults": [
            {
                "fault": result.fault,
                "passed": result.passed,
                "offered": result.accounts.offered,
                "statuses": result.accounts.statuses,
                "outcomes": dict(result.accounts.outcomes),
                "lost": len(result.accounts.lost),
                "doubled": len(result.accounts.doubled),
                "recovery_s": None if result.recovery_s is None else round(result.recovery_s, 2),
                "sent_again_in_doubt": result.doubted,
                "verify": _verdict(result),
                "breaches": list(result.breaches),
                "observed": result.observed,
                "seconds": round(result.seconds, 1),
                "figures": asdict(result.report)["figures"] if result.report else {},
            }
            for result in results
        ],
    }
