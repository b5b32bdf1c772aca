"""A statement as PDF, by reportlab.

Chinese is set in the Adobe-GB1 font of PDF readers, which is not embedded: files are small, and no font has to be
installed where they are made. Decision 73 has what else was tried.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import simpleSplit
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from contracts.explanation.rule_phrases import Language
from contracts.explanation.statement_sentences import StatementWords
from contracts.settlement.view import Posting

_FONTS: dict[Language, str] = {"en": "Helvetica", "zh": "STSong-Light"}
_CHINESE = "STSong-Light"
_SIZE, _TITLE_SIZE, _LEADING = 8, 13, 12
_WIDTH, _HEIGHT = A4
_LEFT, _RIGHT, _TOP, _BOTTOM = 42, _WIDTH - 42, _HEIGHT - 48, 48
_COLUMNS = (0, 78, 168, 290, 392)
"""Where the columns of a line begin, in points from the left margin; the amount ends at the right one."""
_AMOUNT = 60
"""The width kept for the amount."""

pdfmetrics.registerFont(UnicodeCIDFont(_CHINESE))


class PdfSheet:
    """Holds the whole file: callers bound the number of lines."""

    def __init__(self, words: StatementWords) -> None:
        self._words = words
        self._file = io.BytesIO()
        # The same statement gives the same bytes.
        self._canvas = Canvas(self._file, pagesize=A4, invariant=1)
        self._canvas.setTitle(words.title())
        self._pages = 0
        self._y = 0.0

    def head(self) -> bytes:
        """Draws everything above the lines; nothing is written before the end."""
        words = self._words
        self._begin_page()
        self._paragraphs([words.title()], _TITLE_SIZE)
        self._paragraphs(words.heading(), _SIZE)
        for name, amount in words.figures():
            self._row([name], amount)
        self._y -= _LEADING
        self._paragraphs((*words.sums(), *words.sentences()), _SIZE)
        self._y -= _LEADING
        *columns, amount = words.columns()
        self._row(columns, amount)
        return b""

    def line(self, posting: Posting) -> bytes:
        *texts, amount = self._words.line(posting)
        self._row(texts, amount)
        return b""

    def foot(self) -> bytes:
        self._end_page()
        self._canvas.save()
        return self._file.getvalue()

    def _font_of(self, text: str) -> str:
        """The font of the language, and of Chinese wherever it occurs."""
        return _FONTS[self._words.language] if text.isascii() else _CHINESE

    def _paragraphs(self, texts: Iterable[str], size: int) -> None:
        for text in texts:
            font = self._font_of(text)
            for part in _broken(text, font, size, _RIGHT - _LEFT):
                self._need(1)
                self._canvas.setFont(font, size)
                self._canvas.drawString(_LEFT, self._y, part)
                self._y -= size + 4

    def _row(self, texts: Sequence[str], amount: str) -> None:
        """A row of cells; what does not fit into its column goes on below."""
        ends = (*_COLUMNS[1 : len(texts)], _RIGHT - _LEFT - _AMOUNT)
        cells = [
            (left, font, _broken(text, font, _SIZE, end - left - 4))
            for text, left, end in zip(texts, _COLUMNS, ends, strict=False)
            for font in (self._font_of(text),)
        ]
        height = max(len(parts) for _, _, parts in cells)
        self._need(height)
        for left, font, parts in cells:
            self._canvas.setFont(font, _SIZE)
            for number, part in enumerate(parts):
                self._canvas.drawString(_LEFT + left, self._y - number * _LEADING, part)
        self._canvas.setFont(self._font_of(amount), _SIZE)
        self._canvas.drawRightString(_RIGHT, self._y, amount)
        self._y -= height * _LEADING

    def _need(self, rows: int) -> None:
        if self._y - rows * _LEADING < _BOTTOM:
            self._end_page()
            self._begin_page()

    def _begin_page(self) -> None:
        self._pages += 1
        self._y = _TOP

    def _end_page(self) -> None:
        text = self._words.word("page", page=self._pages)
        self._canvas.setFont(self._font_of(text), _SIZE)
        self._canvas.drawRightString(_RIGHT, _BOTTOM - 2 * _LEADING, text)
        self._canvas.showPage()


def _broken(text: str, font: str, size: int, width: float) -> list[str]:
    """The text in lines that fit: between words where possible, otherwise anywhere."""
    lines: list[str] = []
    for part in simpleSplit(text, font, size, width) or [""]:
        rest = part
        while len(rest) > 1 and pdfmetrics.stringWidth(rest, font, size) > width:
            fits = next(
                count
                for count in range(len(rest), 0, -1)
                if count == 1 or pdfmetrics.stringWidth(rest[:count], font, size) <= width
            )
            lines.append(rest[:fits])
            rest = rest[fits:]
        lines.append(rest)
    return lines
