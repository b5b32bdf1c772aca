"""`tributary topology`: show what the workers need, and declare it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from infra.local.progress_notes import progress_notes
from infra.operators.broker_logins import role_logins, save_role_logins
from infra.runtime import roster
from infra.runtime.topology import describe, topology_of
from infra.runtime.worker import Worker
from infra.settings import Settings
from infra.terminal.environment import one_sentence_on_failure, refuse, settings_for
from infra.terminal.printing import print_line, print_text
from infra.terminal.screen import Grid, Screen, print_note


def topology(stack: str, *, apply: bool, as_json: bool) -> None:
    workers = roster.load_all()
    logins = [("login", login.name, login.reason) for login in role_logins(workers).values()]
    rows = [*describe(topology_of(workers, Settings())), *logins]
    if apply:
        # The drivers are imported only to declare, not to show.
        from infra.processes import process

        with one_sentence_on_failure(), progress_notes(print_note):
            settings = settings_for(stack)
            asyncio.run(process.prepare(settings))
            made = _save_logins(settings, workers)
    if as_json:
        keys = ("kind", "name", "about")
        print_text(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2))
        return
    table = Grid("kind", "name", "about")
    for row in rows:
        table.add_row(*row)
    Screen().print(table)
    if apply:
        print_line(f"Everything is declared, and so are the collections and indexes{made}.")


def _save_logins(settings: Settings, workers: Sequence[Worker]) -> str:
    passwords = {role: password.get_secret_value() for role, password in settings.broker_passwords.items()}
    if not passwords:
        return ""
    if settings.rabbitmq_management_url is None:
        refuse("TRIBUTARY_BROKER_PASSWORDS is set; set RABBITMQ_MANAGEMENT_URL too, so that the logins can be made.")
    from infra.adapters.rabbitmq_admin import BrokerAdmin

    try:
        asyncio.run(save_role_logins(BrokerAdmin(settings.rabbitmq_management_url), workers, passwords))
    except ValueError as error:
        refuse(f"TRIBUTARY_BROKER_PASSWORDS: {error}.")
    return f", and {len(passwords)} logins"
