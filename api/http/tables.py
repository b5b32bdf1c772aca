"""Reads CSV files as spreadsheets write them: their encodings and separators, and headings as people type them."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Sequence

_SEPARATORS = (",", ";", "\t")
_SEP_LINE = re.compile(r'"?sep=(.)"?[ \t,;]*(?:\r\n|\r|\n|$)', re.IGNORECASE)
"""The line before the heading in which Excel declares the separator."""

_WORKBOOK = b"PK\x03\x04"
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHARSETS = re.compile("ascii|utf-(?:8|16|32)|gb|big5|iso8859|cp[0-9]|euc_|shift_jis|koi8")
"""Python's encodings of files. Others are very slow on a long text, or do not decode to Unicode text."""

_DAY = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})")


class InvalidTable(ValueError):
    """The bytes are not a readable CSV file; the text states why, and what to do."""


def text_of(body: bytes, charset: str | None) -> str:
    """The text of a file. Raises InvalidTable.

    A byte order mark has priority over the declared `charset`. Without either it is UTF-16 if there are zero bytes,
    else UTF-8, else GB18030, a superset of GBK: Chinese Excel saves CSV in it. Headings and numbers are ASCII, so a
    wrong guess changes no number. Statistical detection mistook short GBK files for Korean or UTF-16.
    """
    if body.startswith(_WORKBOOK):
        raise InvalidTable("This is a workbook; save it as CSV and send that.")
    if charset is not None and not body.startswith(_MARKS):
        return _decoded(body, charset)
    if body.startswith(_MARKS) or b"\x00" in body:
        return _decoded(body, json.detect_encoding(body))
    try:
        return body.decode()
    except UnicodeDecodeError:
        return _decoded(body, "gb18030")


def _decoded(body: bytes, charset: str) -> str:
    try:
        if _CHARSETS.match(codecs.lookup(charset).name) is None:
            raise LookupError(charset)
    except (LookupError, ValueError) as error:
        raise InvalidTable(f"The charset {charset[:40]!r} is not supported; send UTF-8.") from error
    try:
        return body.decode(charset)
    except ValueError as error:
        raise InvalidTable(
            "The body is not CSV in UTF-8, UTF-16 or GBK; name its charset in the Content-Type."
        ) from error


def rows_of(text: str) -> tuple[list[str], Iterator[list[str]]]:
    """The heading and the non-empty rows below it. Raises InvalidTable, also while the rows are read.

    The separator is that of `sep=`, else the most frequent one in the heading. Empty headings at the end are not
    columns.
    """
    declared = _SEP_LINE.match(text)
    text = text[declared.end() :] if declared else text
    heading_line = text.lstrip("\r\n").partition("\n")[0]
    separator = declared[1] if declared else max(_SEPARATORS, key=heading_line.count)
    try:
        rows = _rows(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except (TypeError, ValueError) as error:
        raise InvalidTable(f"{separator!r} cannot separate columns; use a comma.") from error
    heading = [name.strip() for name in next(rows, [])]
    while heading and not heading[-1]:
        heading.pop()
    return heading, rows


def _rows(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield cells
    except csv.Error as error:
        raise InvalidTable(f"The body is not CSV: {error}.") from error


def fields_named(heading: Sequence[str], known: Sequence[str]) -> list[str]:
    """The fields of the headings, whatever their case and blanks: `Product ID` is `product_id`."""
    by_letters = {_letters(name): name for name in known}
    return [by_letters.get(_letters(name), name) for name in heading]


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def day_of(cell: str) -> str:
    """A day as spreadsheets write it, year first: `2027/3/31` is 2027-03-31. Any other text is unchanged."""
    found = _DAY.fullmatch(cell)
    return f"{found[1]}-{int(found[2]):02}-{int(found[3]):02}" if found else cell
