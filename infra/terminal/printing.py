"""The way every text takes to a terminal: characters that steer a terminal or turn text around are shown as escapes.

Names, orders, message types and errors contain what strangers sent. A raw escape character would let them set the
title of the operator's window, hide a line, or write one of their own; a bidi character would turn an amount around.
Nothing else in the command line prints (a test checks it); tables and styled text go through `infra.terminal.screen`.
"""

from __future__ import annotations

import sys
import unicodedata

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_HIDDEN = ("Cc", "Cf", "Zl", "Zp")
"""Control, format (with bidi) and separators of lines and paragraphs."""


class _Escapes(dict[int, str]):
    """What stands for each character, filled as characters occur."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        self[code] = _escape(character) if unicodedata.category(character) in _HIDDEN else character
        return self[code]


def _escape(character: str) -> str:
    """As in JSON from U+007F on, because `json.dumps` leaves these to us: a JSON text stays the same JSON."""
    if character in _SHORT:
        return _SHORT[character]
    if character < " ":
        return f"\\x{ord(character):02x}"
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


_escapes = _Escapes()


def printable(text: str) -> str:
    """The text as one line; `\\x1b` stands for an escape character, and `\\n` for a line's end."""
    return text if text.isprintable() else text.translate(_escapes)


def printable_lines(text: str) -> str:
    """The text with its line ends."""
    return "\n".join(map(printable, text.split("\n")))


def print_line(line: str, *, err: bool = False) -> None:
    """Print exactly one line, whatever is in it."""
    _write(printable(line) + "\n", err=err)


def print_text(text: str, *, end: str = "\n", err: bool = False) -> None:
    """Print a text of several lines, such as JSON. Use `print_line` for what must stay one line."""
    _write(printable_lines(text) + end, err=err)


def _write(text: str, *, err: bool) -> None:
    stream = sys.stderr if err else sys.stdout
    stream.write(text)
    stream.flush()
