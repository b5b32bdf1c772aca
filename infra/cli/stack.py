"""`tributary up`, `down`, `status` and `setup`: the local stack from the command line.

Exit codes: 0 done, 2 wrong usage, 3 the environment does not allow it, said in one sentence on standard error.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from infra import local
from infra.cli.environment import is_on_command_line, one_sentence_on_failure
from infra.cli.hangup import end_like_ctrl_c

StackOption = Annotated[
    str,
    typer.Option(
        "--stack",
        envvar="TRIBUTARY_STACK",
        metavar="NAME",
        help="Which stack: each has its own servers, ports and data.",
    ),
]


def up(stack: StackOption = "default") -> None:
    """Start RabbitMQ, MongoDB and Redis on private ports, without Docker.

    What already runs and answers is left alone, and what hangs is restarted.
    Data lies in .tributary/, or in $TRIBUTARY_HOME, and outlives a restart.
    """
    _silence_drivers()
    end_like_ctrl_c()
    with one_sentence_on_failure():
        endpoints = local.up(stack, home=local.default_home(), progress=_say)
    _print_endpoints(endpoints)


def down(
    context: typer.Context,
    stack: StackOption = "default",
    remove_data: Annotated[bool, typer.Option("--remove-data", help="Also delete the stack's data and logs.")] = False,
) -> None:
    """Stop what was started for the stack, however its starter ended, and nothing else.

    The data is kept unless you say otherwise. Unless a stack is named, what demos and benchmarks that were killed have
    left is stopped and removed too.
    """
    home = local.default_home()
    with one_sentence_on_failure():
        stopped = local.down(stack, home=home, remove_data=remove_data)
        _say(f"Stopped {', '.join(stopped)}." if stopped else f"Nothing of the stack {stack!r} was running.")
        if not is_on_command_line(context, "stack"):
            for name in local.abandoned_stacks(home):
                left = local.down(name, home=home, remove_data=True)
                _say(f"Stopped what {name} had left: {', '.join(left) or 'only data'}.")
        if others := local.running_stacks(home):
            _say(f"Still running: {', '.join(others)}; stop one with `tributary down --stack NAME`.")


def status(
    stack: StackOption = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")] = False,
) -> None:
    """Show which servers of the stack run and answer, and where, and which programs of ours run on them."""
    _silence_drivers()
    with one_sentence_on_failure():
        home = local.default_home()
        servers = local.status(stack, home=home)
        running = all(server.running for server in servers)
        programs = local.programs(stack, home=home)
        endpoints = local.endpoints(stack, home=home)
        abandoned = local.abandoned_stacks(home)
        others = [name for name in local.running_stacks(home) if name not in (stack, *abandoned)]
    if as_json:
        report = {
            "stack": stack,
            "running": running,
            "endpoints": asdict(endpoints) if endpoints else None,
            "servers": [asdict(server) for server in servers],
            "programs": [asdict(program) for program in programs],
            "other_running_stacks": others,
            "abandoned_stacks": abandoned,
        }
        typer.echo(json.dumps(report, indent=2))
        return
    table = Table("server", "state", "version", "port", "pid", title=f"stack {stack}", title_justify="left")
    for server in servers:
        table.add_row(
            server.server, _state_of(server), server.version or "", str(server.port or ""), str(server.pid or "")
        )
    Console().print(table)
    for server in servers:
        if server.complaint:
            _say(f"{server.server} {server.complaint}.")
    if any(server.complaint for server in servers):
        _say(f"`tributary up --stack {stack}` restarts what hangs.")
    if programs:
        left = Table("program", "state", "pid")
        for program in programs:
            left.add_row(program.program, _state(program.pid is not None), str(program.pid or ""))
        Console().print(left)
    if endpoints:
        _print_endpoints(endpoints)
    if abandoned:
        _say(f"Left by commands that were killed: {', '.join(abandoned)}; `tributary down` stops and removes that.")
    if others:
        _say(f"Also running: {', '.join(others)}.")


def setup(
    browser: Annotated[
        bool, typer.Option("--browser", help="Also Chromium, with which the tests try the login page.")
    ] = False,
) -> None:
    """Install the servers that the local stack needs where they are missing and this user may install them."""
    with one_sentence_on_failure():
        installed = local.install_missing(_say, browser=browser)
    _say(f"Installed {', '.join(installed)}." if installed else "Everything that the local stack needs is here.")


def _silence_drivers() -> None:
    """They say in their own words what the status says in ours."""
    for driver in ("aio_pika", "aiormq", "asyncio"):
        logging.getLogger(driver).setLevel(logging.CRITICAL)


def _state_of(server: local.ServerStatus) -> str:
    return "[red]not answering[/]" if server.complaint else _state(server.running)


def _state(running: bool) -> str:
    return "[green]running[/]" if running else "[yellow]stopped[/]"


def _print_endpoints(endpoints: local.Endpoints) -> None:
    """On standard output and as assignments, so that `export $(tributary up)` points programs at the stack."""
    for setting, url in asdict(endpoints).items():
        typer.echo(f"{setting.upper()}={url}")


def _say(text: str) -> None:
    Console(stderr=True, highlight=False).print(text, markup=False, soft_wrap=True)
