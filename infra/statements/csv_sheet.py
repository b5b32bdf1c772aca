"""A statement as CSV that a spreadsheet opens rightly, also in China: UTF-8 with a byte order mark, lines end in CRLF.

No cell is a formula: text that begins with one of `= + - @`, a tab or a carriage return gets an apostrophe before it. A
number of more than 15 digits, which a spreadsheet would round, gets one too. Amounts are numbers with a point.
"""

from __future__ import annotations

import csv
import io
import re
from codecs import BOM_UTF8
from collections.abc import Iterable

from contracts.explanation.statement_sentences import StatementWords
from contracts.settlement.view import Posting

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_DIGITS_EXACT = 15
_long_number = re.compile(rf"[0-9]{{{_DIGITS_EXACT + 1},}}").fullmatch


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
    """The text as a cell that no spreadsheet calculates or rounds."""
    return f"'{text}" if text.startswith(_FORMULA) or _long_number(text) else text


def _encoded(rows: Iterable[list[str]]) -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue().encode()
