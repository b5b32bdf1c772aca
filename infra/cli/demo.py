"""`tributary demo`: the whole system on real orders, on servers of its own, verified."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from infra import local
from infra.adapters.mongo import MongoStore
from infra.cli.environment import EXIT_BREACH, AsJson, environment_for, one_sentence_on_failure, settings_for
from infra.cli.trace import print_timeline, timeline
from infra.cli.verify import print_report
from infra.demo import report
from infra.demo.quiet import NeverQuietError
from infra.demo.run import Demo, World
from infra.runtime import roster
from infra.runtime.settings import Settings
from infra.runtime.topology import topology_of


def demo(
    orders: Annotated[int, typer.Option("--orders", min=1, max=155_848, help="Real baskets to publish.")] = 2000,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the servers and their data for a look around.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start servers of its own, run real orders through every worker, and verify the result.

    Exits with 0 only if every invariant holds and every published message is accounted for.
    """
    name = f"demo-{os.getpid()}"
    home = local.default_home()
    console = Console(stderr=as_json)
    with one_sentence_on_failure():
        try:
            local.up(name, home=home, progress=lambda line: console.print(line, style="dim"))
            settings = settings_for(name)
            ok = uvloop.run(_run(settings, orders, home / name / "logs", console, as_json=as_json))
        except NeverQuietError as error:
            typer.echo(f"The demo did not come to rest: {error}. Logs are in {home / name / 'logs'}.", err=True)
            ok, keep = False, True
        finally:
            if keep:
                console.print(
                    f"Kept. Look around with: tributary status --stack {name}; tributary verify --stack {name}"
                )
                console.print(f"Stop it with: tributary down --stack {name} --remove-data")
            else:
                shutil.rmtree(home / name / "logs", ignore_errors=True)
                local.down(name, home=home, remove_data=True)
                (home / f"{name}.lock").unlink(missing_ok=True)
    raise typer.Exit(0 if ok else EXIT_BREACH)


async def _run(settings: Settings, orders: int, logs: Path, console: Console, *, as_json: bool) -> bool:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def on_progress(doing: str, done: int, total: int) -> None:
            bar.update(task, description=doing, completed=done, total=total or None)

        running = Demo(settings, orders, logs, environment_for(settings), on_progress)
        outcome = await running.run()
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    try:
        found = await report.gather(store)
        world = World(settings, store, topology_of(roster.load_all(), settings), roster.load_all(), lambda *_: None)
        found.stock = await world.stock()
    finally:
        store.close()
    steps = await timeline(settings, outcome.sample_order)
    accounted = report.accounted(outcome)
    verified = outcome.report.breach_count == 0 and accounted
    if as_json:
        typer.echo(json.dumps(report.as_object(outcome, found, verified=verified), indent=2))
        return verified
    report.show(console, outcome, found)
    print_timeline(outcome.sample_order, steps, console)
    print_report(outcome.report, console)
    _print_closing(console, report.as_object(outcome, found, verified=verified), accounted=accounted)
    return verified


def _print_closing(console: Console, figures: dict[str, object], *, accounted: bool) -> None:
    console.print(
        f"{figures['published']} messages published, {figures['settled']} accounted for; "
        f"{figures['accepted']} orders accepted, {figures['refused']} refusals, {figures['duplicates']} duplicates, "
        f"{figures['dead_lettered']} dead letters; {figures['orders_per_s']} orders/s, {figures['seconds']} s in all."
    )
    verdict = "[bold green]verified[/]" if figures["verified"] else "[bold red]not verified[/]"
    missing = "" if accounted else " (not every published message is accounted for)"
    console.print(f"Verdict: {verdict}{missing}")
