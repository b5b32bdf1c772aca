"""The file for a bank's portal runs no formula, whatever a payee is called."""

from __future__ import annotations

import csv
import io
from codecs import BOM_UTF8

import pytest

from infra.statements.portal import COLUMNS, portal_csv
from tests.unit.test_rails_pain001 import KEY, an_order


def rows(**changed: object) -> list[dict[str, str]]:
    written = portal_csv([(KEY, an_order(**changed))])
    assert written.startswith(BOM_UTF8)
    return list(csv.DictReader(io.StringIO(written.decode("utf-8-sig"))))


def test_a_payment_is_a_row() -> None:
    (row,) = rows(destination="0012345678901234567890")
    assert tuple(row) == COLUMNS
    assert (row["key"], row["amount"], row["currency"]) == (KEY, "1234.56", "EUR")
    assert (row["destination"], row["bank_code"]) == ("0012345678901234567890", "")


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1+1", "＝1", "＋1", '=HYPERLINK("http://x")']
)
def test_no_cell_is_a_formula(text: str) -> None:
    (row,) = rows(holder=text, remittance=text, destination=text)
    assert {row["holder"], row["remittance"], row["destination"]} == {f"'{text}"}
