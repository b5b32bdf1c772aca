"""CSV files with every spreadsheet's encoding, separator and heading give the same lines."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.problems import Problem
from api.http.tables import InvalidTable, day_of, text_of
from api.stock.adjustments import lines_of_csv

LINES = [
    {"product_id": 1082185, "batch_id": "lot-2026-11", "delta": -2},
    {"product_id": 1082186, "stock": 120, "expiry_date": "2027-03-31"},
]
PLAIN = "product_id,batch_id,delta,stock,expiry_date\n1082185,lot-2026-11,-2,,\n1082186,,,120,2027-03-31\n"
WITH_NOTES = "product_id,batch_id,delta,备注\n1082185,lot-2026-11,-2,盘点\n"


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.rstrip("\n"),
        "\n\n" + PLAIN.replace("\n", "\n\n,,,,\n"),
        PLAIN.replace("\n", ",,,\n"),
        PLAIN.replace("expiry_date\n", "expiry_date,,\n").replace("03-31\n", "03-31,,,,\n"),
        PLAIN.replace("product_id", " Product ID ").replace("expiry_date", "Expiry-Date").replace("stock", "STOCK"),
        PLAIN.replace("product_id", "ProductId").replace("batch_id", "batch\u3000id"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        "sep=,\n" + PLAIN,
        "sep=;\r\n" + PLAIN.replace(",", ";").replace("\n", "\r\n"),
        '"sep=|"\n' + PLAIN.replace(",", "|"),
        "SEP=\t\n" + PLAIN.replace(",", "\t"),
        PLAIN.replace(",", " , "),
        PLAIN.replace("1082185,lot-2026-11", '"1082185","lot-2026-11"'),
        PLAIN.replace("2027-03-31", "2027/3/31"),
        PLAIN.replace("2027-03-31", "2027.03.31"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gbk"])
def test_every_form_of_file_gives_the_same_lines(text: str, encoding: str) -> None:
    assert lines_of_csv(text.encode(encoding)) == LINES


@pytest.mark.parametrize(
    "charset", ["gbk", "GB2312", "gb18030", "utf-8", "UTF-16", "utf-16le", "big5", "iso-8859-1", "cp1252"]
)
def test_a_declared_charset_is_used(charset: str) -> None:
    assert lines_of_csv(PLAIN.encode(charset), charset) == LINES


def test_a_byte_order_mark_overrides_the_declared_charset() -> None:
    assert lines_of_csv(PLAIN.encode("utf-8-sig"), "gbk") == LINES
    assert lines_of_csv(PLAIN.encode("utf-16"), "utf-8") == LINES


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk", "gb18030"])
def test_chinese_is_read_with_or_without_a_declared_charset(encoding: str) -> None:
    for charset in (None, encoding):
        assert lines_of_csv(WITH_NOTES.encode(encoding), charset) == [{**LINES[0], "备注": "盘点"}]


def test_a_cell_without_a_heading_is_an_unknown_field() -> None:
    assert lines_of_csv(b"product_id,,delta,\n1,x,2,\n3,,4,5\n") == [
        {"product_id": 1, "column 2": "x", "delta": 2},
        {"product_id": 3, "delta": 4, "column 4": "5"},
    ]


@pytest.mark.parametrize(
    ("body", "charset", "sentence"),
    [
        (PLAIN.encode(), "klingon", "The charset 'klingon' is not supported"),
        (PLAIN.encode(), "punycode", "The charset 'punycode' is not supported"),
        (PLAIN.encode(), "unicode_escape", "is not supported"),
        (PLAIN.encode(), "utf-7", "is not supported"),
        (PLAIN.encode(), "hex", "is not supported"),
        (PLAIN.encode(), "a\u0000b", "is not supported"),
        (b"product_id,delta\n\xff,1\n", None, "name its charset"),
        (WITH_NOTES.encode("gbk"), "utf-8", "name its charset"),
        (b"\xff\xfe\x00", None, "name its charset"),
        (b"PK\x03\x04 and so on", None, "This is a workbook"),
        (b'product_id,delta\n"1,1\n', None, "The body is not CSV"),
    ],
)
def test_an_invalid_table_is_refused_with_advice(body: bytes, charset: str | None, sentence: str) -> None:
    with pytest.raises(Problem) as caught:
        lines_of_csv(body, charset)
    assert caught.value.reason == "malformed_request"
    assert sentence in str(caught.value.detail)


@pytest.mark.parametrize("heading", ["delta,stock", "product_id,Product ID", "product_id,stock,STOCK", ""])
def test_a_heading_without_the_product_or_with_a_repeated_field_is_refused(heading: str) -> None:
    with pytest.raises(Problem) as caught:
        lines_of_csv(f"{heading}\n1,2,3\n".encode())
    assert caught.value.reason == "invalid_request"


@pytest.mark.parametrize(
    ("cell", "day"),
    [("2027/3/31", "2027-03-31"), ("2027-3-1", "2027-03-01"), ("31/3/2027", "31/3/2027"), ("2027/13/1", "2027-13-01")],
)
def test_days_are_written_year_first(cell: str, day: str) -> None:
    assert day_of(cell) == day


@given(st.binary(max_size=60), st.sampled_from([None, "utf-8", "utf-16", "gbk", "utf-7", "cp932"]))
def test_any_bytes_are_lines_of_unicode_text_or_a_problem(body: bytes, charset: str | None) -> None:
    for file in (body, b"product_id,delta\n" + body):
        with contextlib.suppress(Problem):
            assert all(isinstance(line, dict) for line in lines_of_csv(file, charset))
        with contextlib.suppress(InvalidTable):
            text_of(file, charset).encode()
