"""`tributary demo`: the whole system with real orders, on its own servers, verified."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
import uvloop
from rich.console import Console

from infra import local
from infra.adapters.mongo import MongoStore
from infra.cli.actions.hangup import end_like_ctrl_c
from infra.cli.actions.trace import print_timeline, timeline
from infra.cli.actions.verify import print_report
from infra.demo import report
from infra.demo.bank import Bank, open_bank
from infra.demo.given import NotEmptyError, require_empty
from infra.demo.mail import READER, MailBox, MailNotServingError, open_mail_box
from infra.demo.quiet import NeverQuietError
from infra.demo.report import Findings
from infra.demo.run import Demo, Outcome, World, fleet_at_work
from infra.demo.stay import Kept, NotServingError, Staying
from infra.local import record
from infra.local.progress_notes import progress_notes
from infra.operators.timeline import Step
from infra.processes.process import without_password
from infra.runtime import roster
from infra.runtime.topology import topology_of
from infra.settings import Settings
from infra.terminal.environment import (
    EXIT_BREACH,
    agree,
    environment_for,
    exported_addresses,
    leave_exported_addresses,
    one_sentence_on_failure,
    refuse,
    settings_for,
)
from infra.terminal.printing import print_line, print_text
from infra.terminal.progress import progress
from infra.terminal.screen import Screen, print_note


@dataclass(frozen=True, slots=True)
class _Played:
    outcome: Outcome
    found: Findings
    figures: dict[str, Any]
    steps: list[Step]


def demo(orders: int, *, keep: bool, on_given_servers: bool, yes: bool, as_json: bool) -> None:
    if on_given_servers:
        _require_addresses()
    else:
        leave_exported_addresses(
            "The demo uses only servers that it starts; --on-given-servers uses the exported ones."
        )
    name = f"demo-{os.getpid()}"
    home = local.default_home()
    logs = home / name / local.LOGS
    console = Screen(stderr=as_json)
    verified = left = False
    end_like_ctrl_c()
    with one_sentence_on_failure():
        try:
            local.claim(name, home=home)
            if not on_given_servers:
                with progress_notes(print_note) as on_step:
                    local.up(name, home=home, progress=on_step)
            settings = settings_for(name)
            if on_given_servers:
                _permit(settings, orders, yes=yes)
            record.create_private(logs.parent)
            logs.mkdir(exist_ok=True)
            mail_box = open_mail_box(name, home)
            environment = mail_box.environment(environment_for(settings))
            bank = open_bank(name, home)
            environment = bank.environment(environment) if bank else environment
            staying = Staying(settings, name, home, environment, mail_box) if keep else None
            at_work = staying.at_work() if staying else fleet_at_work(environment, logs)
            played = uvloop.run(_play(settings, orders, at_work, mail_box, bank))
            with progress_notes(print_note):
                kept = _keep(staying, name, played) if staying else None
            _show(played, console, as_json=as_json)
            if kept is not None:
                left = True
                local.keep(name, home=home)
                _print_kept(kept, name, to_stderr=as_json, on_given_servers=on_given_servers)
            if on_given_servers:
                print_line(
                    f"The demo's records stay in the database {settings.database!r}; drop it at the end.", err=True
                )
            verified = bool(played.figures["verified"])
        except (NeverQuietError, NotServingError, MailNotServingError) as error:
            left = True
            local.keep(name, home=home)
            print_line(f"The demo did not finish: {error}. Logs are in {logs}.", err=True)
            print_line(f"Stop what is still running: {_stop_command(name)}", err=True)
        finally:
            if not left:
                local.down(name, home=home, remove_data=True)
                (home / f"{name}.lock").unlink(missing_ok=True)
    raise typer.Exit(0 if verified else EXIT_BREACH)


def _require_addresses() -> None:
    """Require all three: a missing one would mean the usual port, where another person's server may run."""
    if missing := [name for name in ("RABBITMQ_URL", "MONGODB_URL", "REDIS_URL") if name not in exported_addresses()]:
        refuse(f"--on-given-servers needs the addresses of the servers; set {', '.join(missing)}.")


def _permit(settings: Settings, orders: int, *, yes: bool) -> None:
    """Continue only if the given servers are empty and a person, or --yes, agrees."""
    try:
        uvloop.run(require_empty(settings))
    except NotEmptyError as error:
        raise local.StackError(str(error)) from error
    where = f"the database {settings.database!r} at {without_password(settings.mongodb_url)}"
    agree(f"write {orders} invented orders into {where}, through {without_password(settings.rabbitmq_url)}", yes=yes)


def _keep(staying: Staying, name: str, played: _Played) -> Kept:
    """Start the API, let the system continue, and add its addresses to the figures."""
    earners = [distributor_id for distributor_id, _ in played.found.top]
    kept = uvloop.run(staying.open(earners, played.outcome.sample_order))
    played.figures["kept"] = {
        "stack": name,
        "api": kept.api,
        "docs": kept.docs,
        "mail": kept.mail_box.page,
        "stop": _stop_command(name),
    }
    return kept


async def _play(
    settings: Settings,
    orders: int,
    at_work: AbstractAsyncContextManager[None],
    mail_box: MailBox,
    bank: Bank | None,
) -> _Played:
    with progress() as on_progress:
        running = Demo(settings, orders, at_work, mail_box, on_progress, bank)
        outcome = await running.run()
        on_progress("reading the results", 0, 0)
        store = MongoStore.connect(settings.mongodb_url, settings.database)
        try:
            found = await report.gather(store, bank)
            world = World(settings, store, topology_of(roster.load_all(), settings), roster.load_all(), lambda *_: None)
            found.stock = await world.stock()
        finally:
            store.close()
        steps = list((await timeline(settings, outcome.sample_order)).steps)
    is_sound = outcome.report.breach_count == 0 and not found.statements.differing and not found.paid.differs
    verified = is_sound and report.accounted(outcome) and outcome.mailed.is_complete
    return _Played(outcome, found, report.as_object(outcome, found, verified=verified), steps)


def _show(played: _Played, console: Console, *, as_json: bool) -> None:
    if as_json:
        print_text(json.dumps(played.figures, indent=2))
        return
    outcome = played.outcome
    report.show(console, outcome, played.found)
    print_timeline(outcome.sample_order, played.steps, console)
    print_report(outcome.report, console)
    _print_closing(console, outcome, played.figures)


def _print_closing(console: Console, outcome: Outcome, figures: dict[str, object]) -> None:
    console.print(
        f"{figures['published']} messages published, {figures['accounted']} accounted for; "
        f"{figures['accepted']} orders accepted, {figures['refused']} refusals, {figures['duplicates']} duplicates, "
        f"{figures['dead_lettered']} dead letters, {outcome.mailed.mails} e-mails with alerts; "
        f"{figures['orders_per_s']} orders/s, {figures['seconds']} s in total."
    )
    verdict = "[bold green]verified[/]" if figures["verified"] else "[bold red]not verified[/]"
    missing = "" if report.accounted(outcome) else " (not every published message is accounted for)"
    missing += "" if outcome.mailed.is_complete else " (not every alert reached the administrators' mail box)"
    console.print(f"Verdict: {verdict}{missing}")


def _print_kept(kept: Kept, name: str, *, to_stderr: bool, on_given_servers: bool) -> None:
    """Print the secrets, only this once; without the console, which would break long lines."""
    running = "Workers" if on_given_servers else "Servers, workers"
    verify_command = f"{_program()} verify" if on_given_servers else f"{_program()} verify --stack {name}"
    lines = [
        "",
        f"{running}, clock and the HTTP API continue in the background. Docs page: {kept.docs}",
        f"Alerts come to {READER}, in this mail box: {kept.mail_box.page}",
        "The logins are shown only this once. Paste these lines into a shell, and use them as docs/tutorial.md does:",
        "",
        *(f"export {_assignments(variables)}" for variables in kept.variables()),
        "",
        f"Verify:    {verify_command}",
        f"Stop all:  {_stop_command(name)}",
    ]
    for line in lines:
        print_line(line, err=to_stderr)


def _assignments(variables: Mapping[str, str]) -> str:
    return " ".join(f"{variable}={shlex.quote(value)}" for variable, value in variables.items())


def _stop_command(name: str) -> str:
    return f"{_program()} down --stack {name} --remove-data --yes"


def _program() -> str:
    """The command as it was called, because it may not be on the PATH."""
    called = Path(sys.argv[0])
    return sys.argv[0] if called.name == "tributary" else "tributary"
