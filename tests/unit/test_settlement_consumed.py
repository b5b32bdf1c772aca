"""What the messages of settlement ask of the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from contracts.clock.v1 import ClockTicked
from contracts.commissions.v1 import CommissionReleased, Share
from contracts.settlement.v1 import ApproveTerms, CloseDue
from contracts.settlement.view import Terms, TermsVersion
from tests.builders import NOW, SELLER, message
from tests.payout_builders import PAYOUT, in_dollars, paid
from tests.unit.statements import a_statement
from workers.settlement.consumed import (
    PERIOD_MAX,
    asked,
    ending_after,
    ids_booked,
    market_due,
    markets_of,
    markets_of_approved,
    moved_by,
)

TICK: Any = message(ClockTicked(at=NOW, interval_s=60))
DUE: Any = message(CloseDue(market="west", due_at=NOW), time=NOW + timedelta(hours=1))
APPROVAL: Any = message(ApproveTerms(terms_version=1, digest="0" * 64, approved_by="bob"))
PAID: Any = message(paid("139.30", **in_dollars()))
SHARE = Share(distributor_id=SELLER, amount=Decimal("3.00"))
RELEASE: Any = message(
    CommissionReleased(
        shop_id="shop-1", order_id="1", currency="CNY", total=SHARE.amount, shares=(SHARE,), released_at=NOW
    )
)


def test_a_message_names_the_postings_that_it_may_cause() -> None:
    assert ids_booked(RELEASE) == (f"shop-1/1/release/{SELLER}",)
    assert ids_booked(PAID) == (f"{PAYOUT}/paid", f"{PAYOUT}/paid/sent_currency", f"{PAYOUT}/fee")
    assert ids_booked(TICK) == ()


def test_a_payout_moves_the_accounts_of_its_statement_and_of_the_currency_sent() -> None:
    closed = {PAYOUT: a_statement()}

    assert moved_by(PAID, closed) == ("default/2/CNY", "default/2/USD")
    assert moved_by(PAID, {}) == ()
    assert moved_by(RELEASE, closed) == (f"default/{SELLER}/CNY",)
    assert moved_by(TICK, closed) == ()


def test_the_clock_asks_for_every_market_and_a_close_for_its_own() -> None:
    assert [market_due(one.data) for one in (TICK, DUE, PAID)] == ["*", "west", None]
    assert asked(TICK) == ("*", NOW, NOW)
    assert asked(DUE) == ("west", NOW, NOW + timedelta(hours=1))
    assert asked(PAID) is None


def test_markets_are_those_of_the_terms_that_are_approved() -> None:
    terms = {1: TermsVersion(1, "west", "0" * 64, Terms(market="west"), "ann", NOW)}

    assert markets_of_approved([APPROVAL, TICK], terms) == ["west"]
    assert markets_of_approved([APPROVAL], {}) == []
    assert markets_of([a_statement(), a_statement(market="west"), a_statement()]) == ["default", "west"]


def test_periods_that_ended_long_before_are_not_read() -> None:
    assert ending_after([NOW, NOW - timedelta(days=1)]) == {
        "ends_at": {"$gt": NOW - timedelta(days=1) - PERIOD_MAX},
    }
    assert ending_after([datetime.min.replace(tzinfo=UTC)])["ends_at"] is not None
    assert ending_after([]) == {}
