"""Dead letters on the screen: ids, queues and reasons are never split, so that they can be copied."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from contracts.operations.view import DeadLetter
from infra.operators.dead_letters import Cause

_WHEN = "%Y-%m-%d %H:%M:%S"


def as_object(letter: DeadLetter) -> dict[str, Any]:
    """All fields: the id and the state first, the body last."""
    fields = asdict(letter)
    first = ("letter_id", "state", "settled_by", "os_user", "settled_at", "note")
    last = ("traceback", "body")
    order = [*first, *(name for name in fields if name not in first + last), *last]
    return {name: fields[name] for name in order}


def cause_lines(causes: Iterable[Cause]) -> Iterator[str]:
    for cause in causes:
        yield f"{cause.letters:>7}  {cause.queue}  {cause.reason}"
        yield f"{'':>9}from {cause.first:{_WHEN}} to {cause.last:{_WHEN}}; the newest is {cause.example}"
        yield f"{'':>9}{cause.detail}"


def letter_lines(letter: DeadLetter) -> Iterator[str]:
    about = letter.concerns or f"message {letter.message_id}"
    yield f"{letter.letter_id}  {letter.state}  {letter.died_at:{_WHEN}}  {letter.queue}  {letter.reason}"
    yield f"    {about}: {letter.detail}"


def detail_lines(letter: DeadLetter) -> Iterator[str]:
    for name, value in as_object(letter).items():
        if value is not None and name not in ("body", "traceback"):
            yield f"{name:<13} {value}"
    if letter.traceback:
        yield from ("", "traceback", *_indented(letter.traceback.rstrip("\n")))
    yield from ("", f"body{' (only its beginning is kept)' if letter.is_excerpt else ''}")
    yield from _indented(_readable(letter))


def _indented(text: str) -> list[str]:
    """Lines of a text of the sender: indented, so that none of them looks like a line of ours."""
    return [f"  {line}" for line in text.split("\n")]


def _readable(letter: DeadLetter) -> str:
    """The body, indented if it is JSON; bytes that are not UTF-8 are shown as escapes."""
    try:
        return json.dumps(json.loads(letter.raw), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return letter.raw.decode(errors="backslashreplace")
