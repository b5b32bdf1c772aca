"""`tributary work` and `tributary topology`: run workers, and declare what they need.

As a module this is `tributary work` alone: a process of a fleet need not hold every other command in memory.
"""

from __future__ import annotations

import asyncio
import json
import signal

import structlog
import typer
import uvloop

from infra.cli.environment import environment_for, one_sentence_on_failure, refuse, settings_for
from infra.cli.near import did_you_mean
from infra.cli.screen import Grid, Screen, say
from infra.local.patience import patience
from infra.runtime import logs, process, roster
from infra.runtime.fleet import Fleet
from infra.runtime.settings import Settings
from infra.runtime.topology import describe, topology_of

log = structlog.get_logger()

_EXIT_CRASH = 1
"""Any but that of a process that cannot start: to start it again may help."""


def work(names: list[str] | None, processes: int, stack: str, *, together: bool) -> None:
    chosen = _chosen(names or ["all"])
    try:
        _work(chosen, processes, stack, together=together)
    except typer.Exit:
        raise
    except Exception as error:
        # Its log is where one looks for it, and a fleet starts it again.
        log.exception("crashed")
        raise typer.Exit(_EXIT_CRASH) from error


def _work(chosen: list[str], processes: int, stack: str, *, together: bool) -> None:
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


def topology(stack: str, *, apply: bool, as_json: bool) -> None:
    rows = describe(topology_of(roster.load_all(), Settings()))
    if apply:
        with one_sentence_on_failure(), patience(say):
            asyncio.run(process.prepare(settings_for(stack)))
    if as_json:
        keys = ("kind", "name", "about")
        typer.echo(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2))
        return
    table = Grid("kind", "name", "about")
    for row in rows:
        table.add_row(*row)
    Screen().print(table)
    if apply:
        typer.echo("All of it is declared, and so are the collections and indexes.")


def _chosen(names: list[str]) -> list[str]:
    known = [*roster.names(), roster.CLOCK]
    if names == ["all"]:
        return known
    for name in names:
        if name not in known:
            refuse(
                f"There is no worker called {name!r}; there are {', '.join(known)}, or all."
                + did_you_mean(name, [*known, "all"])
            )
    return names


if __name__ == "__main__":
    from infra.cli import ending
    from infra.cli.commands.work import work as command

    alone = typer.Typer(rich_markup_mode=None, add_completion=False)
    alone.command()(command)
    ending.run(alone)
