"""A statement as a file: its head, its lines one by one, and its foot, so that a large one needs little memory.

The lines are added up on the way. What follows the last line is written only if they are exactly the statement's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Literal, Protocol

from contracts.explanation.rule_phrases import Language
from contracts.explanation.statement_sentences import LineTotals, StatementWords
from contracts.settlement.view import Posting, Statement
from infra.statements.csv_sheet import CsvSheet
from infra.statements.html_sheet import HtmlSheet
from infra.statements.pdf_sheet import PdfSheet

Form = Literal["csv", "html", "pdf"]

_PART_BYTES = 64 * 1024

LINES_AT_ONCE = 200
"""Lines that are written in one step: a tenth of a second for a PDF, during which a thread is not free for others."""

Build = Callable[[Callable[[], bytes]], Awaitable[bytes]]
"""Where a step is done: at once, or in a thread."""


class Sheet(Protocol):
    """One statement in one form."""

    def head(self) -> bytes: ...

    def line(self, posting: Posting) -> bytes: ...

    def foot(self) -> bytes: ...


_SHEETS: dict[Form, type[CsvSheet] | type[HtmlSheet] | type[PdfSheet]] = {
    "csv": CsvSheet,
    "html": HtmlSheet,
    "pdf": PdfSheet,
}


def sheet_of(statement: Statement, form: Form, language: Language) -> Sheet:
    """Raises StatementMismatch if the figures of the statement do not add up."""
    return _SHEETS[form](StatementWords(statement, language))


async def _at_once(step: Callable[[], bytes]) -> bytes:
    return step()


async def written(
    sheet: Sheet, statement: Statement, postings: AsyncIterator[Posting], build: Build = _at_once
) -> AsyncIterator[bytes]:
    """The parts of the file; `build` does each step of them. Raises StatementMismatch before the last part if the lines
    are not the statement's.
    """
    totals, some = LineTotals(), list[Posting]()
    part = bytearray(await build(sheet.head))
    async for posting in postings:
        totals.add(posting)
        some.append(posting)
        if len(some) < LINES_AT_ONCE:
            continue
        part += await build(partial(_lines, sheet, some))
        some = []
        if len(part) >= _PART_BYTES:
            yield bytes(part)
            part.clear()
    totals.check(statement)
    part += await build(partial(_lines, sheet, some))
    yield bytes(part) + await build(sheet.foot)


def _lines(sheet: Sheet, postings: Sequence[Posting]) -> bytes:
    return b"".join(map(sheet.line, postings))
