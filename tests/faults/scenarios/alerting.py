"""Alerts that are raised and resolved, and dead letters."""

from __future__ import annotations

from datetime import timedelta

from contracts.operations.v1 import (
    CheckedInvariant,
    MessageDeadLettered,
    QueueMeasured,
    ReportVerification,
    SettleDeadLetter,
)
from contracts.payouts.v1 import (
    PayoutConflicting,
    PayoutDoubtful,
    PayoutFailed,
    PayoutPaid,
    PayoutReturned,
    PayoutsReleased,
    RailPaused,
    RailResumed,
)
from contracts.stock.v1 import StockExpired, StockExpiring, StockLow, StockRecovered, StockShortageChanged
from tests.builders import NOW, TEA, message
from tests.faults.crash_scenario import Scenario, outgoing


def alerting() -> Scenario:
    """No message is dead-lettered here: the letter would come back to this worker with a wall-clock time."""
    low = StockLow(product_id=TEA, available=3, low_at=3, crossing=1)
    short = StockShortageChanged(product_id=TEA, shortage=2, on_hand=1, reserved=3, crossing=1)
    letters = [
        MessageDeadLettered(
            worker="order_intake",
            queue="order_intake.order.place",
            message_id=name,
            type="order.place.v2",
            reason="malformed_json",
            detail="body: no JSON.",
            attempts=1,
            body="?",
        )
        for name in ("letter-1", "letter-2")
    ]
    expiring = StockExpiring(product_id=TEA, units=6, expires_on="2026-11-05", crossing=1)
    expired = StockExpired(product_id=TEA, units=6, expires_on="2026-11-05", crossing=2)
    measured = QueueMeasured(at=NOW, parked=1, waiting={"order_intake.order.place": 7})
    of_payout = {"payout_id": "default/2026-10/2/CNY", "attempt": 1, "distributor_id": 2, "rail": "wechat_pay"}
    reported = {**of_payout, "amount": "42.00", "currency": "CNY", "at": NOW}
    why = {"code": "unexplained", "detail": "?"}
    doubt = PayoutDoubtful(**reported, **why, needs_person=True)
    later = NOW + timedelta(minutes=30)
    clean = CheckedInvariant(invariant="I1", breaches=0)
    breached = ReportVerification(invariants=(clean.model_copy(update={"breaches": 1}),), by="li.na")
    discard = [SettleDeadLetter(letter_id=message(letter).id, action="discarded", by="li.na") for letter in letters]
    return Scenario(
        "alerting",
        (
            (outgoing(low), outgoing(low), outgoing(low, again=1)),
            (outgoing(StockRecovered(product_id=TEA, available=9, recovered_at=6, crossing=2)),),
            (outgoing(StockLow(product_id=TEA, available=2, low_at=3, crossing=3)),),
            (outgoing(short), outgoing(short, again=1)),
            (outgoing(short.model_copy(update={"shortage": 1, "crossing": 2})),),
            (outgoing(short.model_copy(update={"shortage": 0, "crossing": 3})),),
            (outgoing(expiring), outgoing(expired), outgoing(expiring, again=1)),
            (outgoing(expired.model_copy(update={"units": 0, "crossing": 3})),),
            (outgoing(measured), outgoing(measured, again=1)),
            (outgoing(measured.model_copy(update={"at": NOW + timedelta(minutes=1), "parked": 0, "waiting": {}})),),
            (outgoing(breached),),
            (outgoing(breached.model_copy(update={"invariants": (clean,)})),),
            (outgoing(doubt), outgoing(doubt, again=1)),
            (outgoing(PayoutReturned(**reported, **why)), outgoing(PayoutConflicting(**reported, **why))),
            (outgoing(PayoutPaid(**reported)),),
            (outgoing(PayoutFailed(**reported, **why)),),
            (outgoing(PayoutsReleased(distributor_id=2, by="li.na")),),
            (outgoing(RailPaused(rail="wechat_pay", reason="insufficient_funds", paused_at=NOW, until=later)),),
            (outgoing(RailResumed(rail="wechat_pay", resumed_at=later)),),
            (*map(outgoing, letters), outgoing(letters[0])),
            (
                *map(outgoing, discard),
                outgoing(discard[0], again=1),
                outgoing(discard[0].model_copy(update={"action": "replayed"})),
                outgoing(SettleDeadLetter(letter_id="no-such-letter", action="discarded", by="li.na")),
            ),
        ),
        frozenset(
            [
                "raised",
                "outdated",
                "resolved",
                "counted",
                "measured",
                "reported",
                "discarded",
                "replayed",
                "duplicate",
                "refused",
            ]
        ),
        {},
        dead=0,
    )
