"""`tributary verify`: check the invariants."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from contracts.javascript import all_exact
from infra.adapters.mongo import MongoStore
from infra.adapters.os_user import os_user
from infra.auditing.audit import Report
from infra.cli.actions import commanding
from infra.collector import collect_seldom
from infra.operators.invariants import invariants
from infra.operators.verification import OnProgress, Unfinished, verify_live
from infra.operators.verification_report import report_of
from infra.ports.time import RealTime
from infra.runtime import roster
from infra.settings import Settings
from infra.terminal.environment import EXIT_BREACH, EXIT_ENVIRONMENT, one_sentence_on_failure, refuse, settings_for
from infra.terminal.printing import print_line, print_text, printable
from infra.terminal.progress import progress
from infra.terminal.screen import Grid, Screen

_REPORTED_WITHIN_S = 10.0


def verify_command(stack: str, *, as_json: bool, report_alerts: bool = False) -> None:
    with one_sentence_on_failure():
        settings = settings_for(stack)
        try:
            with progress() as on_progress:
                report = asyncio.run(run_verify(settings, on_progress))
        except Unfinished as error:
            refuse(str(error), EXIT_ENVIRONMENT)
        if report_alerts:
            asyncio.run(_report_alerts(settings, report))
    if as_json:
        print_text(json.dumps(all_exact(as_object(report)), indent=2))
    else:
        print_report(report, Screen())
    raise typer.Exit(EXIT_BREACH if report.breach_count else 0)


async def run_verify(settings: Settings, on_progress: OnProgress) -> Report:
    collect_seldom()
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    try:
        await store.ping()
        return await verify_live(store, roster.load_all(), RealTime(), on_progress)
    finally:
        store.close()


async def _report_alerts(settings: Settings, report: Report) -> None:
    """Send the result to the worker of alerts. Ends with a sentence if it cannot be handled soon."""
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    try:
        command = report_of(report, os_user=os_user())
        outcome = await commanding.send(settings, store, command, wait_s=_REPORTED_WITHIN_S)
    finally:
        store.close()
    if outcome.state != "handled":
        print_line("The report is sent, but no worker has handled it yet; check the worker `alerting`.", err=True)


def as_object(report: Report) -> dict[str, Any]:
    return {
        "holds": report.breach_count == 0,
        "breach_count": report.breach_count,
        "breaches": [asdict(breach) for breach in report.breaches],
        "figures": report.figures,
    }


def print_report(report: Report, console: Console) -> None:
    table = Grid("", "invariant", "figures", title="verify", title_justify="left")
    breached = {breach.invariant for breach in report.breaches}
    for invariant, sentence in invariants().items():
        mark = ("broken", "red") if invariant in breached else ("holds", "green")
        figures = ", ".join(f"{name} {value}" for name, value in report.figures.get(invariant, {}).items())
        table.add_row(Text.assemble(f"{invariant} ", mark), sentence, figures)
    console.print(table)
    for breach in report.breaches:
        console.print(f"[red]{breach.invariant}[/] ", end="")
        console.print(printable(f"{breach.about}: {breach.detail}"), highlight=False, markup=False, soft_wrap=True)
    if report.breach_count > len(report.breaches):
        console.print(f"… and {report.breach_count - len(report.breaches)} more.")
