"""A statement as one HTML page to read or print. Every text is escaped, and the page loads nothing from elsewhere."""

from __future__ import annotations

from html import escape

from contracts.explanation.rule_phrases import Language
from contracts.explanation.statement_sentences import StatementWords
from contracts.settlement.view import Posting

_STYLE = """
body { font: 14px/1.5 "Noto Sans", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; margin: 2em auto;
  max-width: 60em; color: #111; }
table { border-collapse: collapse; width: 100%; margin: 1em 0; }
th, td { border-bottom: 1px solid #bbb; padding: 0.2em 0.5em; text-align: left; overflow-wrap: anywhere; }
.amount { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
@page { size: A4; margin: 15mm; }
@media print { body { margin: 0; max-width: none; font-size: 10pt; } thead { display: table-header-group; }
  tr { break-inside: avoid; } }
"""

CONTENT_SECURITY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; sandbox"
"""The policy to send with the page: it needs its own style and nothing else."""

_TAGS: dict[Language, str] = {"en": "en", "zh": "zh-Hans"}


class HtmlSheet:
    def __init__(self, words: StatementWords) -> None:
        self._words = words

    def head(self) -> bytes:
        """The page up to the headings of the lines."""
        words = self._words
        title = escape(words.title())
        paragraphs = "".join(f"<p>{escape(text)}</p>\n" for text in words.heading())
        figures = "".join(_row((name, amount)) for name, amount in words.figures())
        sentences = "".join(f"<p>{escape(text)}</p>\n" for text in (*words.sums(), *words.sentences()))
        *columns, amount = map(escape, words.columns())
        headings = "".join(f"<th>{name}</th>" for name in columns)
        return (
            f'<!DOCTYPE html>\n<html lang="{_TAGS[words.language]}">\n<head>\n<meta charset="utf-8">\n'
            f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{paragraphs}"
            f"<table>\n{figures}</table>\n{sentences}"
            f'<table>\n<thead><tr>{headings}<th class="amount">{amount}</th></tr></thead>\n<tbody>\n'
        ).encode()

    def line(self, posting: Posting) -> bytes:
        return _row(self._words.line(posting)).encode()

    def foot(self) -> bytes:
        return b"</tbody>\n</table>\n</body>\n</html>\n"


def _row(cells: tuple[str, ...]) -> str:
    *texts, amount = map(escape, cells)
    return "<tr>" + "".join(f"<td>{text}</td>" for text in texts) + f'<td class="amount">{amount}</td></tr>\n'
