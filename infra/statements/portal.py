"""The file for the portal of a bank, of payouts by the rail `manual`. It holds open values: only who pays gets it."""

from __future__ import annotations

import csv
import io
from codecs import BOM_UTF8
from collections.abc import Iterable

from infra.ports.rails import Order
from infra.statements.csv_sheet import FORMULA

COLUMNS = ("key", "payout_id", "holder", "destination", "bank_code", "country", "amount", "currency", "remittance")


def portal_csv(payments: Iterable[tuple[str, Order]]) -> bytes:
    """Of keys and their orders. No cell is a formula in a spreadsheet; digits of accounts stay as they are."""
    written = io.StringIO(newline="")
    rows = csv.writer(written, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    for key, order in payments:
        texts = (key, *(getattr(order, name) for name in COLUMNS[1:]))
        rows.writerow(["" if text is None else _inert(str(text)) for text in texts])
    return BOM_UTF8 + written.getvalue().encode()


def _inert(text: str) -> str:
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text
