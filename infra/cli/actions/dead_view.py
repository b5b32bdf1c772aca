"""Dead letters on the screen: ids, queues and reasons are never split, so that they can be copied."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from contracts.operations.view import DeadLetter
from infra.operators.dead_letters import Cause

_WHEN = "%Y-%m-%d %H:%M:%S"
_SHOWN_BYTES_MAX = 64 * 1024
_DEPTH_MAX = 20
"""An order has a depth of 4."""


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
    """The body, indented if it is JSON of a usual form; bytes that are not UTF-8 are shown as escapes."""
    raw = letter.raw
    if len(raw) <= _SHOWN_BYTES_MAX and _depth(raw) <= _DEPTH_MAX:
        try:
            return json.dumps(json.loads(raw), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            pass
    rest = len(raw) - _SHOWN_BYTES_MAX
    more = f"\n… and {rest} more bytes; --json has all of them" if rest > 0 else ""
    return raw[:_SHOWN_BYTES_MAX].decode(errors="backslashreplace") + more


def _depth(raw: bytes) -> int:
    """How deep brackets are nested, those in texts too: each level indents every line below it."""
    deepest = depth = 0
    for byte in raw:
        depth += (byte in b"[{") - (byte in b"]}")
        deepest = max(deepest, depth)
    return deepest
