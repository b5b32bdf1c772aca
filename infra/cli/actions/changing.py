"""Commands of a person at the command line: published as any other sender would, with the outcome printed.

Exit codes: 0 done, 1 refused or not handled yet, 2 wrong usage, 3 the environment does not allow it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, NoReturn, Protocol

import typer
from pydantic import ValidationError

from contracts.javascript import all_exact
from contracts.rules.document import errors_of, place_of
from contracts.wire.envelope import Payload
from infra.adapters.mongo import MongoStore
from infra.adapters.os_user import os_user
from infra.cli.actions.commanding import Outcome, reader_of, send
from infra.rehearsal import stored_rules as rules_store
from infra.terminal.environment import EXIT_BREACH, EXIT_USAGE, one_sentence_on_failure, refuse, settings_for
from infra.terminal.printing import print_line, print_text

DIGEST_CHARS_MIN = 8


class _WithDigest(Protocol):
    @property
    def digest(self) -> str: ...


def command_of(payload: type[Payload], **fields: Any) -> Payload:
    """The command, with the operating system's user beside the name that was given."""
    try:
        return payload(**fields, os_user=os_user())
    except ValidationError as error:
        refuse("; ".join(f"{place_of(place)}: {text}" for place, text in errors_of(error)) + ".", EXIT_USAGE)


def change(stack: str, payload: Payload, wait_s: float, as_json: bool, *, shows_fields: bool = True) -> NoReturn:
    """Send the command, print its outcome, and end. What its events hold is only printed where people read it."""

    async def run() -> Outcome:
        settings = settings_for(stack)
        async with rules_store.opened(settings) as store:
            return await send(settings, store, payload, wait_s=wait_s)

    with one_sentence_on_failure():
        outcome = asyncio.run(run())
    done = outcome.state == "handled" and outcome.refusal is None
    if as_json:
        events = [{"type": event["type"], **event["data"]} for event in outcome.events]
        result = {"ok": done, "state": outcome.state, "outcome": outcome.code, "events": events}
        print_text(json.dumps(all_exact(result), indent=2, ensure_ascii=False))
    else:
        print_line(_sentence(payload, outcome, shows_fields=shows_fields), err=not done)
    raise typer.Exit(0 if done else EXIT_BREACH)


def _sentence(payload: Payload, outcome: Outcome, *, shows_fields: bool) -> str:
    about = payload.about()
    check = f"check again with `tributary trace {about}`"
    if outcome.refusal is not None:
        clause = outcome.refusal.get("clause")
        return f"refused: {outcome.refusal['reason']}: {outcome.refusal['detail']}" + (f" [{clause}]" if clause else "")
    match outcome.state:
        case "handled":
            events = outcome.events if shows_fields else ()
            facts = [f"{name} {value}" for event in events for name, value in event["data"].items() if value]
            return ": ".join([f"{about}: {outcome.code}", *([", ".join(facts)] if facts else [])])
        case "put_off":
            return f"{about}: not yet: {outcome.code}; it is retried for about ten minutes: {check}."
        case "dead":
            return f"{about}: it became a dead letter: {outcome.code}; see `tributary dead list`."
        case _:
            worker = reader_of(payload)
            return f"{about}: sent, and no worker has taken it yet; is `tributary work {worker}` running? {check}."


def _digest_given(digest: str) -> str:
    """The digest, or its beginning, as a person typed it; a shorter one could be guessed."""
    plain = digest.strip().lower()
    if len(plain) < DIGEST_CHARS_MIN:
        refuse(f"--digest: give at least {DIGEST_CHARS_MIN} characters of the digest that you have read.", EXIT_USAGE)
    return plain


def whole_digest(
    name: str, digest: str, stack: str, find: Callable[[MongoStore], Awaitable[_WithDigest | None]]
) -> str:
    """The full digest of what is stored, which must begin with `digest`; a full one is returned unchecked."""
    begin = _digest_given(digest)
    if len(begin) == 64:
        return begin

    async def read() -> _WithDigest | None:
        async with rules_store.opened(settings_for(stack)) as store:
            return await find(store)

    with one_sentence_on_failure():
        found = asyncio.run(read())
    if found is None:
        refuse(f"There is no {name}; propose it first.", EXIT_BREACH)
    if not found.digest.startswith(begin):
        refuse(
            f"refused: digest_mismatch: {name} has the digest {found.digest}, not the one that you have read; read it "
            "again.",
            EXIT_BREACH,
        )
    return found.digest


def who(by: str | None) -> str:
    return (by or os_user()).strip()[:64]


def moment_given(text: str | None, option: str = "--from") -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        refuse(
            f"{option}: {text!r} is not a time with an offset; write for example 2026-12-01T00:00:00+08:00.", EXIT_USAGE
        )
    return moment
