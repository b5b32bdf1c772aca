"""Movements that are booked, adjusted by two persons, and closed by the clock and by hand; payouts of statements that
were closed before.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from contracts.commissions.v1 import CommissionReleased, CommissionReversed, ReversedEntry, Share
from contracts.rewards.v1 import RewardRevoked
from contracts.settlement.digests import adjustment_digest, digest_of
from contracts.settlement.document import TermsDocument
from contracts.settlement.terms import terms_of
from contracts.settlement.v1 import ApproveAdjustment, ApproveTerms, ClosePeriod, ProposeAdjustment, ProposeTerms
from contracts.settlement.view import ACCOUNTS, STATEMENTS, Account, Statement, TaxMonth
from tests.builders import (
    MIDDLE,
    NOW,
    SELLER,
    SHOP,
    TOP,
    tick,
)
from tests.faults.crash_scenario import Scenario, documents, garbled, noise, outgoing
from tests.payout_builders import TO_DOLLARS, failed, paid, returned, started
from tests.reward_builders import a_grant, a_release_of_a_reward, an_adjustment_of_a_reward
from tests.unit.statements import a_statement

_MONTH_END = datetime(2026, 12, 1, 6, tzinfo=UTC)

_taxed = a_statement(statement_id=f"default/2026-10/{TOP}/CNY", account=f"default/{TOP}/CNY", distributor_id=TOP)
_untaxed = replace(
    _taxed,
    statement_id="default/2026-10/4/CNY",
    account="default/4/CNY",
    distributor_id=4,
    gross_minor=1_000_00,
    withheld_minor=0,
    payable_minor=1_000_00,
    withheld=None,
)
_OWN: dict[str, Any] = {"payout_id": _taxed.statement_id, "distributor_id": TOP}
_CONVERTED: dict[str, Any] = {"payout_id": _untaxed.statement_id, "distributor_id": 4, "currency": "USD"}


def settlement() -> Scenario:
    """A released order and its refund, rewards that come and go, and the end of the month. The first movement opens the
    period, so it has a phase of its own.
    """
    released = CommissionReleased(
        shop_id=SHOP,
        order_id="1",
        currency="CNY",
        total=Decimal("30.00"),
        shares=(
            Share(distributor_id=SELLER, amount=Decimal("20.00")),
            Share(distributor_id=MIDDLE, amount=Decimal("10.00")),
        ),
        released_at=NOW,
    )
    terms = ProposeTerms(terms_version=1, proposed_by="ann", terms=TermsDocument(market="west"))
    adjustment = _adjustment("a-1")
    return Scenario(
        "settlement",
        (
            (
                outgoing(released),
                outgoing(released),
                outgoing(released, again=1),
                noise(released.message_type),
                outgoing(terms),
                outgoing(adjustment),
                outgoing(adjustment, again=1),
                garbled("settlement.adjust.v1", adjustment_id="a-9"),
            ),
            (
                outgoing(a_grant("100.00")),
                outgoing(a_grant("100.00", held_first=False)),
                outgoing(a_release_of_a_reward("100.00")),
                outgoing(_revoked()),
                outgoing(_reversal("held")),
                outgoing(_reversal("available")),
                outgoing(_reversal("available"), again=1),
                outgoing(an_adjustment_of_a_reward("90.00", held_first=False)),
                outgoing(ApproveTerms(terms_version=1, approved_by="bob", digest=digest_of(terms_of(terms.terms)))),
                outgoing(_approval("bob")),
                outgoing(_approval("bob"), again=1),
                outgoing(_approval("ann")),
                outgoing(started(**_OWN)),
                outgoing(started(**_OWN), again=1),
                outgoing(paid(**_OWN, fee=Decimal("1.50"))),
                outgoing(returned(**_OWN, fee=Decimal("3.00"))),
                outgoing(returned(**_OWN, fee=Decimal("3.00")), again=1),
                outgoing(started("1000.00", **_CONVERTED, amount=Decimal("139.30"), conversion=TO_DOLLARS)),
                outgoing(failed("139.30", **_CONVERTED)),
            ),
            (outgoing(tick(_MONTH_END)), outgoing(tick(_MONTH_END))),
            (outgoing(ClosePeriod(market="default", period="2026-11", distributor_id=SELLER, by="ann")),),
            (outgoing(released.model_copy(update={"order_id": "2"})),),
        ),
        frozenset(["booked", "duplicate", "held_only", "nothing_moved", "proposed", "approved", "refused", "closed"]),
        {
            ACCOUNTS: documents(Account, "key", _closed(_taxed), _closed(_untaxed)),
            STATEMENTS: documents(Statement, "statement_id", _taxed, _untaxed),
        },
        dead=1,
    )


def _closed(statement: Statement) -> Account:
    """The account after its only statement."""
    return replace(
        Account(statement.account, statement.market, statement.distributor_id, statement.currency),
        closed_to=statement.ends_at,
        payable_minor=statement.payable_minor,
        tax=TaxMonth("2026-11", statement.gross_minor, statement.withheld_minor) if statement.withheld else None,
        last_statement=statement.statement_id,
    )


def _reversal(account: str) -> CommissionReversed:
    entry = ReversedEntry(line=1, plan="levels", level=1, distributor_id=SELLER, amount=Decimal("-25.00"))
    return CommissionReversed(
        shop_id=SHOP,
        order_id="1",
        currency="CNY",
        reference="refund-1",
        account=account,
        total=Decimal("-25.00"),
        entries=(entry,),
        reason="order_refunded",
    )


def _revoked() -> RewardRevoked:
    return RewardRevoked(
        distributor_id=MIDDLE,
        month="2026-10",
        currency="CNY",
        reward="monthly_sales",
        target=Decimal("100.00"),
        sales=Decimal("90.00"),
        bonus=Decimal("5.00"),
        rule_version=1,
    )


def _adjustment(adjustment_id: str) -> ProposeAdjustment:
    return ProposeAdjustment(
        adjustment_id=adjustment_id,
        distributor_id=SELLER,
        currency="CNY",
        amount=Decimal("2.50"),
        reason="goodwill",
        note="Late.",
        proposed_by="ann",
    )


def _approval(person: str) -> ApproveAdjustment:
    digest = adjustment_digest("adjustment", "default", SELLER, "CNY", 250, "goodwill", "Late.")
    return ApproveAdjustment(adjustment_id="a-1", digest=digest, approved_by=person)
