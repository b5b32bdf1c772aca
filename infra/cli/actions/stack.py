"""`tributary up`, `down`, `status` and `setup`: the local stack from the command line.

Exit codes: 0 done, 2 wrong usage, 3 the environment does not allow it, with one sentence on standard error.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict

import typer
from rich.text import Text

from infra import local
from infra.cli.actions.hangup import end_like_ctrl_c
from infra.local.progress_notes import progress_notes
from infra.terminal.environment import agree, is_on_command_line, known_stacks, one_sentence_on_failure
from infra.terminal.near import did_you_mean
from infra.terminal.printing import print_line, print_text
from infra.terminal.screen import Grid, Screen, print_note


def up(stack: str) -> None:
    _silence_drivers()
    end_like_ctrl_c()
    with one_sentence_on_failure(), progress_notes(print_note) as note:
        endpoints = local.up(stack, home=local.default_home(), progress=note)
    _print_endpoints(endpoints)


def down(context: typer.Context, stack: str, *, remove_data: bool, yes: bool) -> None:
    home = local.default_home()
    if remove_data:
        agree(f"delete the data and logs of the stack {stack!r}", yes=yes)
    known = known_stacks()
    with one_sentence_on_failure(), progress_notes(print_note):
        stopped = local.down(stack, home=home, remove_data=remove_data)
        nothing = f"No process of the stack {stack!r} was running." + (
            "" if stack in known else did_you_mean(stack, known)
        )
        print_note(f"Stopped {', '.join(stopped)}." if stopped else nothing)
        if not is_on_command_line(context, "stack"):
            for name in local.abandoned_stacks(home):
                left = local.down(name, home=home, remove_data=True)
                print_note(f"Removed the abandoned stack {name}: {', '.join(left) or 'only data'}.")
        if others := local.running_stacks(home):
            print_note(f"Still running: {', '.join(others)}; stop one with `tributary down --stack NAME`.")


def status(stack: str, *, as_json: bool) -> None:
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
        print_text(json.dumps(report, indent=2))
        return
    table = Grid("server", "state", "version", "port", "pid", title=f"stack {stack}", title_justify="left")
    for server in servers:
        table.add_row(
            server.server, _state_of(server), server.version or "", str(server.port or ""), str(server.pid or "")
        )
    Screen().print(table)
    if stack not in (known := known_stacks()):
        print_note(
            f"The stack {stack!r} never ran here; `tributary up --stack {stack}` starts it.{did_you_mean(stack, known)}"
        )
    for server in servers:
        if server.complaint:
            print_note(f"{server.server} {server.complaint}.")
    if any(server.complaint for server in servers):
        print_note(f"`tributary up --stack {stack}` restarts servers that hang.")
    if programs:
        left = Grid("program", "state", "pid")
        for program in programs:
            left.add_row(program.program, _state(program.pid is not None), str(program.pid or ""))
        Screen().print(left)
    if endpoints:
        _print_endpoints(endpoints)
    if abandoned:
        print_note(
            f"Left by commands that were killed: {', '.join(abandoned)}; `tributary down` stops and removes them."
        )
    if others:
        print_note(f"Also running: {', '.join(others)}.")


def setup(*, browser: bool) -> None:
    with one_sentence_on_failure(), progress_notes(print_note) as note:
        installed = local.install_missing(note, browser=browser)
    print_note(f"Installed {', '.join(installed)}." if installed else "Everything that the local stack needs is here.")


def _silence_drivers() -> None:
    """The drivers would log what the status already reports."""
    for driver in ("aio_pika", "aiormq", "asyncio"):
        logging.getLogger(driver).setLevel(logging.CRITICAL)


def _state_of(server: local.ServerStatus) -> Text:
    return Text("not answering", "red") if server.complaint else _state(server.running)


def _state(running: bool) -> Text:
    return Text("running", "green") if running else Text("stopped", "yellow")


def _print_endpoints(endpoints: local.Endpoints) -> None:
    """On standard output and as assignments, so that `export $(tributary up)` works."""
    for setting, url in asdict(endpoints).items():
        print_line(f"{setting.upper()}={url}")
