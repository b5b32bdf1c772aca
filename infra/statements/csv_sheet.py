"""A statement as CSV that a spreadsheet opens rightly, also in China: UTF-8 with a byte order mark, lines end in CRLF.

No cell is a formula: text that begins with one of `= + - @`, a tab or a carriage return gets an apostrophe before it.
So does an id or a period that a spreadsheet would show as another one: a number that it rounds (more than 15 digits)
or writes otherwise (`007`, `1e5`, `1.50`), and what it takes for a date or a time (`2026-10`, `3-4`, `1:30`). Amounts
are numbers with a point.
"""

from __future__ import annotations

import csv
import io
import re
from codecs import BOM_UTF8
from collections.abc import Iterable

from contracts.explanation.statement_sentences import StatementWords
from contracts.settlement.view import Posting

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_DIGITS_EXACT = 15
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_is_same_number = re.compile(rf"0|[1-9][0-9]{{0,{_DIGITS_EXACT - 1}}}").fullmatch
_is_read = re.compile(
    rf"[0-9.][0-9.:/_-]*(e[0-9.+-]+)?|[0-9]+[ -]?({_MONTHS})[a-z]*[ -]?[0-9]*|({_MONTHS})[a-z]*[ .-]?[0-9]+|true|false",
    re.IGNORECASE,
).fullmatch


class CsvSheet:
    def __init__(self, words: StatementWords) -> None:
        self._words = words

    def head(self) -> bytes:
        """Heading, figures, both sums and sentences, then the headings of the lines."""
        words = self._words
        rows: list[list[str]] = [[guarded(words.title())], *([guarded(text)] for text in words.heading()), []]
        rows += [[guarded(name), amount] for name, amount in words.figures()]
        rows += [[guarded(text)] for text in (*words.sums(), *words.sentences())]
        return BOM_UTF8 + _encoded([*rows, [], [*map(guarded, words.columns()), guarded(words.word("posting"))]])

    def line(self, posting: Posting) -> bytes:
        *texts, amount = self._words.line(posting)
        return _encoded([[*map(guarded, texts), amount, guarded(posting.posting_id)]])

    def foot(self) -> bytes:
        return b""


def guarded(text: str) -> str:
    """The text as a cell that no spreadsheet calculates, rounds or writes otherwise."""
    is_changed = _is_read(text) and not _is_same_number(text)
    return f"'{text}" if text.startswith(FORMULA) or is_changed else text


def _encoded(rows: Iterable[list[str]]) -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue().encode()
