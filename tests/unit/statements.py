"""A statement with its lines, for the tests of its forms: the worked example of a month with tax."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from contracts.settlement.view import Posting, Statement, Withheld

KEY = "default/2026-10/2/CNY"
STARTS_AT = datetime(2026, 9, 30, 16, tzinfo=UTC)
ENDS_AT = datetime(2026, 10, 31, 16, tzinfo=UTC)
CLOSED_AT = datetime(2026, 10, 31, 22, tzinfo=UTC)


def a_statement(**fields: Any) -> Statement:
    """3000.00 and 2200.00 were released, 200.00 taken back; 800.00 of the 5000.00 is withheld."""
    usual: dict[str, Any] = {
        "statement_id": KEY,
        "market": "default",
        "period": "2026-10",
        "distributor_id": 2,
        "currency": "CNY",
        "account": "default/2/CNY",
        "number": 17,
        "starts_at": STARTS_AT,
        "ends_at": ENDS_AT,
        "zone": "Asia/Shanghai",
        "closed_at": CLOSED_AT,
        "terms_version": 1,
        "opening_minor": 0,
        "released_minor": 520_000,
        "reversed_minor": -20_000,
        "rewards_minor": 0,
        "adjustments_minor": 0,
        "written_off_minor": 0,
        "late_minor": 0,
        "gross_minor": 500_000,
        "withheld_minor": 80_000,
        "fees_minor": 0,
        "payable_minor": 420_000,
        "carried_minor": 0,
        "minimum_minor": 10_000,
        "outcome": "payable",
        "posting_count": 3,
        "withheld": Withheld("cn_labour", "2019", "2026-11", 500_000, 0, 0, 80_000),
    }
    return Statement(**{**usual, **fields})


def carried(gross_minor: int, **fields: Any) -> Statement:
    """A statement of one release, or reversal, that pays nothing."""
    side = "released_minor" if gross_minor >= 0 else "reversed_minor"
    usual = {"released_minor": 0, "reversed_minor": 0, side: gross_minor, "gross_minor": gross_minor}
    nothing = {"withheld": None, "withheld_minor": 0, "payable_minor": 0, "carried_minor": gross_minor}
    return a_statement(**{**usual, **nothing, "posting_count": 1, **fields})


def a_posting(order: str, amount_minor: int, **fields: Any) -> Posting:
    kind = "release" if amount_minor >= 0 else "reversal"
    usual: dict[str, Any] = {
        "posting_id": f"{order}/{kind}/2",
        "statement": KEY,
        "account": "default/2/CNY",
        "distributor_id": 2,
        "currency": "CNY",
        "kind": kind,
        "effective_at": datetime(2026, 10, 31, 15, 59, 59, tzinfo=UTC),
        "posted_at": datetime(2026, 10, 31, 16, 0, 1, tzinfo=UTC),
        "legs": {"available": amount_minor, "commissions": -amount_minor},
        "reference": order.rpartition("/")[2],
        "order": order,
    }
    return Posting(**{**usual, **fields})


LINES = (a_posting("shop-1/A", 300_000), a_posting("shop-1/B", 220_000), a_posting("shop-1/C", -20_000))


async def each(*postings: Posting) -> AsyncIterator[Posting]:
    for posting in postings:
        yield posting
