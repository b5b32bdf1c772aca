"""`tributary rules propose`, `approve`, `activate`, `retire`, `market`: commands that change rules, and their answers.

Each publishes a command message, as any other sender would, and prints the outcome. Exit codes: 0 done, 1 refused or
not handled yet, 2 wrong usage, 3 the environment does not allow it.
"""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import typer
from pydantic import ValidationError

from contracts.javascript import all_exact
from contracts.rules.document import errors_of, place_of
from contracts.rules.v1 import ActivateRules, ApproveRules, ProposeRules, RetireRules
from contracts.rules.view import RuleSet
from contracts.wire.envelope import Payload
from infra.adapters.os_user import os_user
from infra.cli.actions.commanding import Outcome, send
from infra.cli.actions.rule_file import read_market, read_rules
from infra.rehearsal import stored_rules as rules_store
from infra.terminal.environment import EXIT_BREACH, EXIT_USAGE, one_sentence_on_failure, settings_for
from infra.terminal.printing import print_line, print_text

DIGEST_CHARS_MIN = 8


def propose(version: int, file: Path, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    document, _ = read_rules(file)
    fields = {"rule_version": version, "proposed_by": _who(by), "rules": document}
    _change(stack, _command(ProposeRules, **fields), wait, as_json)


def approve(version: int, digest: str, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    whole = _whole_digest(version, digest.strip().lower(), stack)
    fields = {"rule_version": version, "approved_by": _who(by), "digest": whole}
    _change(stack, _command(ApproveRules, **fields), wait, as_json)


def activate(
    version: int, effective_from: str | None, by: str | None, wait: float, stack: str, *, as_json: bool
) -> None:
    fields = {"rule_version": version, "activated_by": _who(by), "effective_from": _moment(effective_from)}
    _change(stack, _command(ActivateRules, **fields), wait, as_json)


def retire(version: int, effective_from: str | None, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    fields = {"rule_version": version, "retired_by": _who(by), "effective_from": _moment(effective_from)}
    _change(stack, _command(RetireRules, **fields), wait, as_json)


def market(file: Path, wait: float, stack: str, *, as_json: bool) -> None:
    _change(stack, read_market(file), wait, as_json)


def _command(payload: type[Payload], **fields: Any) -> Payload:
    """The command, with the operating system's user beside the name that was given."""
    try:
        return payload(**fields, os_user=os_user())
    except ValidationError as error:
        _refuse("; ".join(f"{place_of(place)}: {text}" for place, text in errors_of(error)) + ".", EXIT_USAGE)


def _change(stack: str, payload: Payload, wait_s: float, as_json: bool) -> None:
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
        print_line(_sentence(payload, outcome), err=not done)
    raise typer.Exit(0 if done else EXIT_BREACH)


def _sentence(payload: Payload, outcome: Outcome) -> str:
    about = payload.about()
    check = f"check again with `tributary trace {about}`"
    if outcome.refusal is not None:
        clause = outcome.refusal.get("clause")
        return f"refused: {outcome.refusal['reason']}: {outcome.refusal['detail']}" + (f" [{clause}]" if clause else "")
    match outcome.state:
        case "handled":
            facts = [f"{name} {value}" for event in outcome.events for name, value in event["data"].items() if value]
            return ": ".join([f"{about}: {outcome.code}", *([", ".join(facts)] if facts else [])])
        case "put_off":
            return f"{about}: not yet: {outcome.code}; it is retried for about ten minutes: {check}."
        case "dead":
            return f"{about}: it became a dead letter: {outcome.code}; see `tributary dead list`."
        case _:
            return f"{about}: sent, and no worker has taken it yet; is `tributary work rule_book` running? {check}."


def _whole_digest(version: int, digest: str, stack: str) -> str:
    """The full digest of the stored rules, which must begin with `digest`; a full one is returned unchecked."""
    if len(digest) < DIGEST_CHARS_MIN:
        _refuse(f"--digest: give at least {DIGEST_CHARS_MIN} characters of the digest that you have read.", EXIT_USAGE)
    if len(digest) == 64:
        return digest

    async def read() -> RuleSet | None:
        async with rules_store.opened(settings_for(stack)) as store:
            return await rules_store.rules_of(store, version)

    with one_sentence_on_failure():
        rules = asyncio.run(read())
    if rules is None:
        _refuse(f"There is no rule set {version}; `tributary rules list` shows all.", EXIT_BREACH)
    if not rules.digest.startswith(digest):
        _refuse(
            f"refused: digest_mismatch: rule set {version} has the digest {rules.digest}, not the one that you have "
            f"read; read it again with `tributary rules explain {version}`.",
            EXIT_BREACH,
        )
    return rules.digest


def _who(by: str | None) -> str:
    return (by or os_user()).strip()[:64]


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        _refuse(
            f"--from: {text!r} is not a time with an offset; write for example 2026-12-01T00:00:00+08:00.", EXIT_USAGE
        )
    return moment


def _refuse(sentence: str, code: int) -> NoReturn:
    print_line(sentence, err=True)
    raise typer.Exit(code)
