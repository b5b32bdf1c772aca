"""`tributary work` and `tributary topology`: run workers, and declare what they need.

As a module this is `tributary work` alone: a process of a fleet need not hold every other command in memory.
"""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from infra.cli.environment import EXIT_USAGE, AsJson, Stack, environment_for, one_sentence_on_failure, settings_for
from infra.runtime import logs, process, roster
from infra.runtime.fleet import Fleet
from infra.runtime.settings import Settings
from infra.runtime.topology import describe, topology_of


def work(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME…", help="Workers to run, `clock`, or `all`.")
    ] = None,
    processes: Annotated[int, typer.Option("--processes", "-n", min=1, max=64, help="Processes of each worker.")] = 1,
    together: Annotated[bool, typer.Option("--together", help="Run the named workers in one process.")] = False,
    stack: Stack = "default",
) -> None:
    """Run workers until SIGTERM or Ctrl-C; each finishes the batch in hand.

    One worker runs in this process. Several run in a process each, watched and restarted when they die.
    """
    chosen = _chosen(names or ["all"])
    with one_sentence_on_failure():
        settings = settings_for(stack)
        logs.configure(settings.log_level)
        if together or (len(chosen) == 1 and processes == 1):
            uvloop.run(process.run(chosen, settings))
            return
        groups = [[name] for name in chosen for _ in range(1 if name == roster.CLOCK else processes)]
        fleet = Fleet(groups, environment_for(settings), health_port=settings.health_port)
        fleet.require_ports()
        asyncio.run(process.prepare(settings))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # What `nohup` ignores stays ignored.
            if number != signal.SIGHUP or signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, lambda *_: setattr(fleet, "stopping", True))
        try:
            fleet.start()
            fleet.watch()
        finally:
            fleet.stop()


def topology(
    apply: Annotated[bool, typer.Option("--apply", help="Declare it, and the collections and indexes too.")] = False,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Show every exchange, queue and binding with its reason; --apply declares what is missing."""
    rows = describe(topology_of(roster.load_all(), Settings()))
    if apply:
        with one_sentence_on_failure():
            asyncio.run(process.prepare(settings_for(stack)))
    if as_json:
        keys = ("kind", "name", "about")
        typer.echo(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2))
        return
    table: Any = Table("kind", "name", "about")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    if apply:
        typer.echo("All of it is declared, and so are the collections and indexes.")


def _chosen(names: list[str]) -> list[str]:
    known = [*roster.names(), roster.CLOCK]
    if names == ["all"]:
        return known
    for name in names:
        if name not in known:
            typer.echo(f"There is no worker called {name!r}; there are {', '.join(known)}, or all.", err=True)
            raise typer.Exit(EXIT_USAGE)
    return names


if __name__ == "__main__":
    typer.run(work)
