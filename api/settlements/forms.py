"""In which form a client accepts a statement, and how that form is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from fastapi.responses import Response, StreamingResponse

from api.http.problems import Language, Problem, Reason
from api.http.turns import built
from api.storage.protocols import Documents
from contracts.settlement.view import Statement
from infra.statements.html_sheet import CONTENT_SECURITY
from infra.statements.reading import lines_of
from infra.statements.sheet import Form, sheet_of, written

JSON = "application/json"
FORMS: dict[str, Form] = {"text/csv": "csv", "text/html": "html", "application/pdf": "pdf"}
PDF_LINES_MAX = 5_000
"""A PDF is made in memory: this many lines take two seconds of a thread."""

REASONS = {
    "not_acceptable": Reason(
        406,
        "A statement is sent as application/json, text/csv, text/html or application/pdf; accept one of them.",
        "结算单的格式为 application/json、text/csv、text/html 或 application/pdf，请接受其中之一。",
    ),
    "statement_too_long": Reason(
        406,
        f"A statement of more than {PDF_LINES_MAX} lines is not sent as PDF; accept text/csv or text/html.",
        f"超过 {PDF_LINES_MAX} 行的结算单不提供 PDF，请使用 text/csv 或 text/html。",
    ),
}

CONTENT: dict[str, Any] = {
    "text/csv": {"schema": {"type": "string"}, "example": "Opening,0.00\r\n"},
    "text/html": {"schema": {"type": "string"}, "example": "<!DOCTYPE html>"},
    "application/pdf": {"schema": {"type": "string", "format": "binary"}, "example": "%PDF-1.4"},
}
"""The other forms, for the documentation."""


def accepted_form(accept: str | None) -> Form | None:
    """The form that Accept weighs highest, the first of equals; None for JSON. Raises Problem not_acceptable."""
    best: tuple[float, Form | None] | None = None
    for part in (accept or JSON).split(",")[:32]:
        media_type, *parameters = (word.strip().lower() for word in part.split(";"))
        weight = next((_weight(word[2:]) for word in parameters if word.startswith("q=")), 1.0)
        known = media_type in FORMS or media_type in (JSON, "application/*", "*/*")
        if known and weight > (best[0] if best else 0.0):
            best = weight, FORMS.get(media_type)
    if best is None:
        raise Problem("not_acceptable")
    return best[1]


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0


async def in_form(store: Documents, statement: Statement, form: Form, language: Language) -> Response:
    """The statement with all its lines. Raises Problem statement_too_long, and StatementMismatch.

    A longer CSV or HTML file is sent while its lines are read; if they are not the statement's, it ends without its
    last part, and the connection is closed. Long statements are written in the thread of large views.
    """
    if form == "pdf" and statement.posting_count > PDF_LINES_MAX:
        raise Problem("statement_too_long")
    sheet, lines = sheet_of(statement, form, language), lines_of(store, statement.statement_id)
    parts = written(sheet, statement, lines, partial(built, statement.posting_count))
    # The first part is made before the answer begins: most statements have one, and a mistake is then an error.
    first = await anext(parts)
    media_type = next(name for name, known in FORMS.items() if known == form)
    headers = {
        "Cache-Control": "private, no-cache",
        "Content-Language": language,
        "Content-Disposition": f'{"inline" if form == "html" else "attachment"}; filename="{_name(statement, form)}"',
        "Vary": "Authorization, Accept, Accept-Language",
    }
    if form == "html":
        headers["Content-Security-Policy"] = CONTENT_SECURITY
    charset = "" if form == "pdf" else "; charset=utf-8"
    return StreamingResponse(_all(first, parts), headers=headers, media_type=media_type + charset)


async def _all(first: bytes, others: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in others:
        yield part


def _name(statement: Statement, form: Form) -> str:
    return f"statement-{statement.statement_id.replace('/', '-')}.{form}"
