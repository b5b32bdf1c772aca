"""`tributary demo`: the whole system on real orders, on servers of its own, verified."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

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
from infra.demo.report import Findings
from infra.demo.run import Demo, Outcome, World, fleet_at_work
from infra.demo.stay import Kept, NotServingError, Staying
from infra.runtime import roster
from infra.runtime.settings import Settings
from infra.runtime.timeline import Step
from infra.runtime.topology import topology_of


@dataclass(frozen=True, slots=True)
class _Played:
    outcome: Outcome
    found: Findings
    figures: dict[str, Any]
    steps: list[Step]


def demo(
    orders: Annotated[int, typer.Option("--orders", min=1, max=155_848, help="Real baskets to publish.")] = 2000,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave all of it running, with the HTTP API and logins, for a look around.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start servers of its own, run real orders through every worker, and verify the result.

    Exits with 0 only if every invariant holds and every published message is accounted for. With --keep servers,
    workers, clock and API go on in the background; the command that stops them is printed, and the logins, only then.
    """
    name = f"demo-{os.getpid()}"
    home = local.default_home()
    logs = home / name / local.LOGS
    console = Console(stderr=as_json)
    verified = left = False
    with one_sentence_on_failure():
        try:
            local.up(name, home=home, progress=lambda line: console.print(line, style="dim"))
            settings = settings_for(name)
            logs.mkdir(exist_ok=True)
            environment = environment_for(settings)
            staying = Staying(settings, name, home, environment) if keep else None
            at_work = staying.at_work() if staying else fleet_at_work(environment, logs)
            played = uvloop.run(_play(settings, orders, at_work, console))
            kept = _keep(staying, name, played) if staying else None
            _show(played, console, as_json=as_json)
            if kept is not None:
                left = True
                _print_kept(kept, name, to_stderr=as_json)
            verified = bool(played.figures["verified"])
        except (NeverQuietError, NotServingError) as error:
            left = True
            typer.echo(f"The demo did not come to rest: {error}. Logs are in {logs}.", err=True)
            typer.echo(f"Stop what still runs: {_stopping(name)}", err=True)
        finally:
            if not left:
                local.down(name, home=home, remove_data=True)
                (home / f"{name}.lock").unlink(missing_ok=True)
    raise typer.Exit(0 if verified else EXIT_BREACH)


def _keep(staying: Staying, name: str, played: _Played) -> Kept:
    """Let the system go on, and say in the figures where."""
    earners = [distributor_id for distributor_id, _ in played.found.top]
    kept = uvloop.run(staying.open(earners, played.outcome.sample_order))
    played.figures["kept"] = {"stack": name, "api": kept.api, "docs": kept.docs, "stop": _stopping(name)}
    return kept


async def _play(
    settings: Settings, orders: int, at_work: AbstractAsyncContextManager[None], console: Console
) -> _Played:
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

        running = Demo(settings, orders, at_work, on_progress)
        outcome = await running.run()
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    try:
        found = await report.gather(store)
        world = World(settings, store, topology_of(roster.load_all(), settings), roster.load_all(), lambda *_: None)
        found.stock = await world.stock()
    finally:
        store.close()
    steps = await timeline(settings, outcome.sample_order)
    verified = outcome.report.breach_count == 0 and report.accounted(outcome)
    return _Played(outcome, found, report.as_object(outcome, found, verified=verified), steps)


def _show(played: _Played, console: Console, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(played.figures, indent=2))
        return
    outcome = played.outcome
    report.show(console, outcome, played.found)
    print_timeline(outcome.sample_order, played.steps, console)
    print_report(outcome.report, console)
    _print_closing(console, played.figures, accounted=report.accounted(outcome))


def _print_closing(console: Console, figures: dict[str, object], *, accounted: bool) -> None:
    console.print(
        f"{figures['published']} messages published, {figures['settled']} accounted for; "
        f"{figures['accepted']} orders accepted, {figures['refused']} refusals, {figures['duplicates']} duplicates, "
        f"{figures['dead_lettered']} dead letters; {figures['orders_per_s']} orders/s, {figures['seconds']} s in all."
    )
    verdict = "[bold green]verified[/]" if figures["verified"] else "[bold red]not verified[/]"
    missing = "" if accounted else " (not every published message is accounted for)"
    console.print(f"Verdict: {verdict}{missing}")


def _print_kept(kept: Kept, name: str, *, to_stderr: bool) -> None:
    """The only time that the secrets are shown. Not through the console, which would break long lines."""
    lines = [
        "",
        f"Servers, workers, clock and the HTTP API go on in the background. Docs page: {kept.docs}",
        "The logins are shown only this once. Paste these lines into a shell, and use them as the README does:",
        "",
        *(f"export {_assigned(variables)}" for variables in kept.variables()),
        "",
        f"Look around:     {_program()} verify --stack {name}",
        f"Stop all of it:  {_stopping(name)}",
    ]
    for line in lines:
        typer.echo(line, err=to_stderr)


def _assigned(variables: Mapping[str, str]) -> str:
    return " ".join(f"{variable}={shlex.quote(value)}" for variable, value in variables.items())


def _stopping(name: str) -> str:
    return f"{_program()} down --stack {name} --remove-data"


def _program() -> str:
    """The command as it was called, which may not be on the path."""
    called = Path(sys.argv[0])
    return sys.argv[0] if called.name == "tributary" else "tributary"
