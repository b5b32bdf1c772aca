"""A statement as CSV, HTML and PDF: complete, safe to open, and never with lines that are not the statement's."""

from __future__ import annotations

import csv
import io
import re
from codecs import BOM_UTF8

import pytest

from contracts.explanation.rule_phrases import Language
from contracts.explanation.statement_sentences import StatementMismatch, StatementWords
from contracts.settlement.view import Posting
from infra.statements.csv_sheet import guarded
from infra.statements.html_sheet import HtmlSheet
from infra.statements.pdf_sheet import PdfSheet
from infra.statements.sheet import Form, sheet_of, written
from tests.unit.statements import LINES, a_posting, a_statement, carried, each


async def file_of(form: Form, *lines: Posting, language: Language = "en", **fields: object) -> bytes:
    statement = a_statement(**fields)
    return b"".join([part async for part in written(sheet_of(statement, form, language), statement, each(*lines))])


async def test_csv_opens_rightly_in_a_spreadsheet() -> None:
    content = await file_of("csv", *LINES, language="zh")

    assert content.startswith(BOM_UTF8)
    assert content.count(b"\n") == content.count(b"\r\n")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert ["应付金额", "4200.00"] in rows
    assert ["期初 0.00 + 明细 5000.00 = 应结总额 5000.00"] in rows
    assert ["应结总额 5000.00 = 应付 4200.00 + 税款 800.00 + 手续费 0.00 + 结转 0.00"] in rows
    assert rows[-1] == ["2026-10-31 23:59", "佣金扣回", "shop-1/C", "C", "", "-200.00", "shop-1/C/reversal/2"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "＝1", "1234567890123456"])
def test_a_cell_is_never_calculated_or_rounded(text: str) -> None:
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize(
    "text",
    ["007", "1e5", "2E-3", "1.50", "2026-10", "12-3", "1:30", "3/4", "1-Jan", "Dec-26", "12 march", "TRUE", ".5"],
)
def test_an_id_is_never_another_number_or_a_date(text: str) -> None:
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["", "a=1", "123456789012345", "0", "1001", "shop-1/A", "shop-1/12", "2026-10-31 23:59", "r-1", "2026-W45"]
)
def test_other_cells_are_as_they_are(text: str) -> None:
    assert guarded(text) == text


async def test_references_of_senders_are_guarded() -> None:
    content = await file_of("csv", *LINES[:2], a_posting("shop-1/-2+3", -20_000, reference="-2+3"))

    assert b",shop-1/-2+3,'-2+3,,-200.00," in content


async def test_html_is_escaped_and_loads_nothing() -> None:
    content = (await file_of("html", *LINES, by="<script>", language="zh")).decode()

    assert "&lt;script&gt;" in content
    assert "<script" not in content
    assert re.search(r"src=|href=|url\(|@import", content) is None
    assert '<html lang="zh-Hans">' in content
    assert "@media print" in content
    assert content.count("<tr>") == 13 + 1 + 3
    assert content.endswith("</html>\n")


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_pdf_is_the_same_for_the_same_statement(language: Language) -> None:
    first, second = await file_of("pdf", *LINES, language=language), await file_of("pdf", *LINES, language=language)

    assert first == second
    assert first.startswith(b"%PDF-")
    assert (b"STSong-Light" in first) is (language == "zh")


def test_pdf_goes_on_on_further_pages_and_breaks_long_ids() -> None:
    sheet = PdfSheet(StatementWords(carried(100 * 150, outcome="below_minimum", posting_count=150), "en"))
    sheet.head()
    for number in range(150):
        sheet.line(a_posting(f"{'shop' * 16}/{'9' * 60}{number}", 100))
    content = sheet.foot()

    assert int(re.findall(rb"/Count (\d+)", content)[-1]) > 3


@pytest.mark.parametrize("form", ["csv", "html", "pdf"])
async def test_a_missing_line_is_an_error_and_not_a_shorter_file(form: Form) -> None:
    with pytest.raises(StatementMismatch):
        await file_of(form, *LINES[:2])


async def test_a_large_statement_is_written_in_parts() -> None:
    count = 2_000
    statement = carried(count, outcome="below_minimum", posting_count=count)
    lines = each(*(a_posting(f"shop-1/{number}", 1) for number in range(count)))
    parts = [part async for part in written(HtmlSheet(StatementWords(statement, "en")), statement, lines)]

    assert len(parts) > 3
    assert b"".join(parts).count(b"shop-1/") == count
