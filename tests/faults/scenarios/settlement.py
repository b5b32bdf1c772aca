"""Movements that are booked, adjusted by two persons, and closed by the clock and by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from contracts.commissions.v1 import CommissionReleased, CommissionReversed, ReversedEntry, Share
from contracts.rewards.v1 import RewardRevoked
from contracts.settlement.digests import adjustment_digest, digest_of
from contracts.settlement.document import TermsDocument
from contracts.settlement.terms import terms_of
from contracts.settlement.v1 import ApproveAdjustment, ApproveTerms, ClosePeriod, ProposeAdjustment, ProposeTerms
from tests.builders import (
    MIDDLE,
    NOW,
    SELLER,
    SHOP,
    tick,
)
from tests.faults.crash_scenario import Scenario, garbled, noise, outgoing
from tests.reward_builders import a_grant, a_release_of_a_reward, an_adjustment_of_a_reward

_MONTH_END = datetime(2026, 12, 1, 6, tzinfo=UTC)


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
            ),
            (outgoing(tick(_MONTH_END)), outgoing(tick(_MONTH_END))),
            (outgoing(ClosePeriod(market="default", period="2026-11", distributor_id=SELLER, by="ann")),),
            (outgoing(released.model_copy(update={"order_id": "2"})),),
        ),
        frozenset(["booked", "duplicate", "held_only", "nothing_moved", "proposed", "approved", "refused", "closed"]),
        {},
        dead=1,
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
