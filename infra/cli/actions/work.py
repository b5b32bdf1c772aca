"""`tributary work`: run workers."""

from __future__ import annotations

import asyncio
import signal

import structlog
import typer
import uvloop

from infra.processes import forking, process
from infra.processes.exposure import require_own_passwords
from infra.processes.fleet import Fleet
from infra.runtime import roster
from infra.telemetry import logs
from infra.terminal.environment import environment_for, one_sentence_on_failure, refuse, settings_for
from infra.terminal.near import did_you_mean

log = structlog.get_logger()

ALL = "all"

_EXIT_CRASH = 1
"""Any other than that of a process that cannot start: a restart may help."""


def work(names: list[str] | None, processes: int, stack: str, *, together: bool) -> None:
    chosen = _chosen(names or [ALL])
    try:
        _work(chosen, processes, stack, together=together)
    except typer.Exit:
        raise
    except Exception as error:
        # Logged, because people look there for the cause, and a fleet restarts the process.
        log.exception("crashed")
        raise typer.Exit(_EXIT_CRASH) from error


def _work(chosen: list[str], processes: int, stack: str, *, together: bool) -> None:
    with one_sentence_on_failure():
        settings = settings_for(stack)
        require_own_passwords(settings)
        logs.configure(settings.log_level)
        if together or (len(chosen) == 1 and processes == 1):
            uvloop.run(process.run(chosen, settings))
            return
        groups = [[name] for name in chosen for _ in range(1 if name == roster.CLOCK else processes)]
        fleet = Fleet(groups, environment_for(settings), health_port=settings.health_port)
        fleet.require_ports()
        forking.load_workers()
        asyncio.run(process.prepare(settings))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # A signal that `nohup` ignores stays ignored.
            if number != signal.SIGHUP or signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, lambda *_: setattr(fleet, "stopping", True))
        try:
            fleet.start()
            fleet.watch()
        finally:
            fleet.stop()


def _chosen(names: list[str]) -> list[str]:
    known = [*roster.names(), roster.CLOCK]
    for name in names:
        if name not in (*known, ALL):
            refuse(
                f"There is no worker {name!r}; choose from {', '.join(known)}, or {ALL}."
                + did_you_mean(name, [*known, ALL])
            )
    return known if ALL in names else list(dict.fromkeys(names))
