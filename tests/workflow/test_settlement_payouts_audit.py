"""What was changed by hand in the books of payouts, or posted wrongly, is found by `verify`."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from contracts.settlement.view import ACCOUNTS, BALANCES, LEDGER, STATEMENTS
from infra.ports.store import Document
from tests.payout_builders import PAYOUT, SENT_AT, paid, returned, started
from tests.workflow.system import System
from tests.workflow.test_settlement_payouts import (
    ACCOUNT,
    CLOSE_NOVEMBER,
    CONVERTED,
    close,
    do,
    faults,
    october,
    untaxed,
)

__all__ = ["october", "untaxed"]


@pytest.mark.parametrize(
    ("collection", "key", "change", "found"),
    [
        (ACCOUNTS, ACCOUNT, {"payable_minor": 1}, "has 1 payable, its postings give 0"),
        (ACCOUNTS, ACCOUNT, {"in_payout_minor": 1}, "has 1 in_payout, its postings give 0"),
        (ACCOUNTS, ACCOUNT, {"paid_minor": 4_200_00}, "has 420000 paid, its postings give 0"),
        (ACCOUNTS, ACCOUNT, {"tax": {"month": "2026-11", "gross_minor": 1, "withheld_minor": 0}}, "has tax TaxMonth"),
        (LEDGER, f"{PAYOUT}/send", None, "has 0 payable, its postings give 420000"),
        (LEDGER, f"{PAYOUT}/paid", {"legs": {"in_payout": -1, "paid": 2}}, "is off by 1"),
        (LEDGER, f"{PAYOUT}/paid", {"reference": "default/2026-10/3/CNY"}, "names None, default/2026-10/3/CNY"),
        (LEDGER, f"{PAYOUT}/paid", {"kind": "returned"}, "names None"),
        (LEDGER, f"{PAYOUT}/returned", {"follows": None}, "has tax TaxMonth(month='2026-11', gross_minor=0"),
        (STATEMENTS, "default/2026-11/2/CNY", {"returned_minor": 1}, "returned_minor is 1, its postings give 500000"),
        (BALANCES, "default/payouts/2/CNY", {"in_paid_minor": 7}, "postings of default/payouts/2/CNY sum to"),
    ],
)
async def test_a_changed_document_is_found(
    october: System, collection: str, key: str, change: Document | None, found: str
) -> None:
    await do(october, started(), paid(), returned(), at=SENT_AT)
    if collection == STATEMENTS:
        await close(october, CLOSE_NOVEMBER)
    assert await faults(october) == []
    table = october.store.table(collection)
    if collection == BALANCES:
        [key] = [one["_id"] for one in october.documents(BALANCES) if one["_id"].startswith(f"{key}/")]
    stored = october.document(collection, key)
    table.remove(key)
    if change is not None:
        table.put({name: value for name, value in {**stored, **change}.items() if value is not None})

    assert found in " ".join(await faults(october))


async def test_a_conversion_in_one_currency_only_is_found(untaxed: System) -> None:
    await do(untaxed, *CONVERTED, at=SENT_AT)
    untaxed.store.table(LEDGER).remove(f"{PAYOUT}/send/sent_currency")

    assert f"payout {PAYOUT} is converted, and posted in one currency only" in await faults(untaxed)


async def test_what_was_paid_without_having_been_sent_is_found(october: System) -> None:
    await do(october, paid(), at=SENT_AT)

    assert f"account {ACCOUNT} has -420000 in_payout" in await faults(october)


async def test_a_return_that_leaves_the_tax_month_as_it_was_is_found(october: System) -> None:
    with patch("workers.settlement.payouts.tax_month_without", lambda statement, tax: tax):
        await do(october, started(), paid(), returned(), at=SENT_AT)

    assert f"account {ACCOUNT} has tax TaxMonth(month='2026-11', gross_minor=500000" in " ".join(await faults(october))
