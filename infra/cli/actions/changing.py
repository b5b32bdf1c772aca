"""One command of an operator: built from words, sent, and its outcome printed.

Exit codes: 0 done, 1 refused or not handled yet, 2 wrong usage, 3 the environment does not allow it.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, NoReturn

import typer
from pydantic import ValidationError

from contracts.javascript import all_exact
from contracts.rules.document import errors_of, place_of
from contracts.wire.envelope import Payload
from infra.adapters.os_user import os_user
from infra.cli.actions.commanding import Outcome, reader_of, send
from infra.rehearsal import stored_rules
from infra.terminal.environment import EXIT_BREACH, EXIT_USAGE, one_sentence_on_failure, refuse, settings_for
from infra.terminal.printing import print_line, print_text


def command_of(payload: type[Payload], **fields: Any) -> Payload:
    """The command with the user who runs it; ends with what is wrong with the fields."""
    try:
        return payload.model_validate({**fields, "os_user": os_user()})
    except ValidationError as error:
        refuse("; ".join(f"{place_of(place)}: {text}" for place, text in errors_of(error)) + ".", EXIT_USAGE)


def named(by: str | None) -> str:
    """Who does it: the name given, or the user's."""
    return (by or os_user()).strip()[:64]


def change(command: Payload, wait_s: float, stack: str, as_json: bool) -> NoReturn:
    """Send the command, print its outcome, and end."""

    async def run() -> Outcome:
        settings = settings_for(stack)
        async with stored_rules.opened(settings) as store:
            return await send(settings, store, command, wait_s=wait_s)

    with one_sentence_on_failure():
        outcome = asyncio.run(run())
    refusal = outcome.refusal
    done = outcome.state == "handled" and refusal is None
    if as_json:
        events = [{"type": event["type"], **event["data"]} for event in outcome.events]
        print_text(
            json.dumps(all_exact({"ok": done, "outcome": outcome.code, "events": events}), indent=2, ensure_ascii=False)
        )
    elif refusal is not None:
        print_line(f"refused: {refusal['reason']}: {refusal['detail']}", err=True)
    elif done:
        print_line(f"{command.about()}: {outcome.code}")
    else:
        worker = reader_of(command)
        print_line(f"{command.about()}: not handled yet; is `tributary work {worker}` running?", err=True)
    raise typer.Exit(0 if done else EXIT_BREACH)
