"""`tributary audit`: the changes, whether their log is whole, and the operator's word for its entries so far."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from contracts.javascript import all_exact
from infra.cli.actions.operating import with_operations
from infra.terminal.environment import EXIT_BREACH, agree, refuse
from infra.terminal.printing import print_line, print_text

_HEAD = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")
_HEAD_LINE = "audit_head"
_NO_KEY = (
    "TRIBUTARY_IDENTITY_SECRET is not set here, so only the chain was checked: a writer of the database can "
    "rewrite it as a whole. Set the secret as the API has it, or compare heads that were recorded elsewhere."
)


def verify(expect: str | None, heads: Path | None, stack: str, *, as_json: bool) -> None:
    expected = [*_expected(expect), *(_stated_in(heads) if heads else ())]

    async def look(operations: Any) -> tuple[Any, bool]:
        return await operations.verify_audit(expected), operations.is_keyed

    verified, is_keyed = with_operations(stack, look)
    found = {
        "holds": not verified.breaches,
        "keyed": is_keyed,
        "entries": verified.head.number,
        "head": f"{verified.head.number}:{verified.head.hash}",
        "heads_compared": len(expected),
        "breaches": list(verified.breaches),
    }
    if as_json:
        print_text(json.dumps(all_exact(found), indent=2))
    else:
        for name, value in found.items():
            print_line(f"{name}: {'; '.join(map(str, value)) if isinstance(value, list) else value}")
        if not is_keyed:
            print_line(_NO_KEY, err=True)
    raise typer.Exit(EXIT_BREACH if verified.breaches else 0)


def seal(stack: str, *, yes: bool, as_json: bool) -> None:
    agree("vouch for every entry of the audit log so far", yes=yes)
    number = with_operations(stack, lambda operations: operations.seal_audit())
    if as_json:
        print_text(json.dumps(all_exact({"entry": number})))
    else:
        print_line(f"Entry {number} vouches for all entries before it.")


def list_changes(target: str | None, who: str | None, last: int, stack: str, *, as_json: bool) -> None:
    found = with_operations(stack, lambda operations: operations.changes(target, who, last))
    if as_json:
        print_text(json.dumps(all_exact(found), indent=2, default=_plain))
        return
    for entry in found:
        person = entry["who"]
        client = f" by {person['client']}" if person.get("client") else ""
        outcome = (entry.get("after") or {}).get("outcome")
        print_line(
            f"{entry['_id']:>6}  {entry['at']:%Y-%m-%d %H:%M:%S}  {entry['action']}  {entry['target']}  "
            f"{person.get('kind')} {person.get('subject')}{client}" + (f"  {outcome}" if outcome else "")
        )
    if not found:
        print_line("There is no such change.", err=True)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _expected(text: str | None) -> list[tuple[int, str]]:
    if text is None:
        return []
    if (head := _HEAD.fullmatch(text)) is None:
        refuse("--expect takes the head that `tributary audit verify` printed: NUMBER:HASH.")
    return [(int(head[1]), head[2])]


def _stated_in(file: Path) -> list[tuple[int, str]]:
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            return list(_heads_of(lines))
    except OSError as error:
        refuse(f"{file}: {error.strerror or error}.")


def _heads_of(lines: Any) -> Iterator[tuple[int, str]]:
    """The heads that log lines state; other lines do not matter."""
    for line in lines:
        if _HEAD_LINE not in line:
            continue
        try:
            # A collector of logs may put a name in front of each line.
            stated = json.loads(line[line.index("{") :])
            head = _HEAD.fullmatch(f"{stated['number']}:{stated['hash']}")
        except (ValueError, KeyError, TypeError):
            continue
        if stated.get("event") == _HEAD_LINE and head is not None:
            yield int(head[1]), head[2]
