"""Batches that are proposed, approved, sent and reported, and persons who hold and resolve payouts."""

from __future__ import annotations

from datetime import timedelta

from contracts.payouts.digests import batch_digest
from contracts.payouts.v1 import (
    ConfirmResolution,
    HoldPayouts,
    PayoutsDue,
    RejectBatch,
    ReleasePayouts,
    ResolvePayout,
)
from contracts.payouts.view import Line, Plan
from tests.builders import NOW, tick
from tests.faults.crash_scenario import Scenario, garbled, noise, outgoing
from tests.payout_story import (
    ID,
    PAYEE,
    a_closed_statement,
    a_method,
    a_payee,
    a_proposal,
    a_report,
    an_answer,
    an_approval,
    statement_id,
)

OTHER, UNPAID = 40022, 40023
_MANUAL = a_method("manual")
_MINUTE = timedelta(minutes=1)


def payouts() -> Scenario:
    """One payout that the rail first leaves in doubt, then pays and returns, and one that persons make and resolve."""
    closed, paid = a_closed_statement(), a_report("paid")
    proposal = a_proposal()
    approval = an_approval(_digest(Line(ID, PAYEE, "EUR", 4200, _plan("iso20022"))))
    other = statement_id(OTHER)
    by_hand = a_proposal("b-2", statement_ids=(other, "none"))
    approval_by_hand = an_approval(_digest(Line(other, OTHER, "EUR", 4200, _plan("manual"))), "b-2")
    due = PayoutsDue(due_at=NOW + _MINUTE)
    unknown = an_answer("unknown", "deadline")
    resolve = ResolvePayout(payout_id=other, attempt=1, outcome="paid", evidence="Line 7714", by="ann")
    confirm = ConfirmResolution(payout_id=other, attempt=1, outcome="paid", by="bob")
    return Scenario(
        "payouts",
        (
            (
                outgoing(closed),
                outgoing(closed),
                outgoing(closed, again=1),
                outgoing(a_closed_statement(OTHER)),
                outgoing(a_closed_statement(UNPAID, "0.00", outcome="nothing")),
                noise(closed.message_type),
                outgoing(a_payee(version=2)),
                outgoing(a_payee()),
                outgoing(a_payee(OTHER, method=_MANUAL)),
                garbled("payout-batch.propose.v1", batch_id="b-9"),
                outgoing(HoldPayouts(distributor_id=UNPAID, reason="under_review", by="bob")),
            ),
            (
                outgoing(by_hand),
                outgoing(proposal),
                outgoing(proposal, again=1),
                outgoing(ReleasePayouts(distributor_id=UNPAID, by="bob")),
            ),
            (
                outgoing(approval.model_copy(update={"approved_by": "ann"})),
                outgoing(approval),
                outgoing(approval, again=1),
                outgoing(approval_by_hand),
            ),
            (
                outgoing(RejectBatch(batch_id="b-1", reason="typo", rejected_by="bob")),
                outgoing(tick(NOW)),
                outgoing(tick(NOW)),
            ),
            (
                outgoing(unknown),
                outgoing(unknown, again=1),
                outgoing(an_answer("accepted", payout_id=other, rail="manual")),
            ),
            (outgoing(due), outgoing(resolve)),
            (outgoing(paid), outgoing(paid, again=1), outgoing(confirm), outgoing(due, again=1)),
            (
                outgoing(a_report("accepted", "entry-0")),
                outgoing(a_report("returned", "entry-2", code="account_closed")),
                outgoing(a_report("paid", "entry-3", key="0" * 32)),
                outgoing(a_report("paid", "entry-4", payout_id=other, rail="paypal")),
            ),
        ),
        frozenset(
            [
                *("waiting", "duplicate", "nothing_payable", "kept", "outdated", "proposed", "approved", "refused"),
                *("held", "released", "taken", "nothing_due", "applied", "no_change", "conflict"),
            ]
        ),
        {},
        dead=1,
    )


def rejected_payouts() -> Scenario:
    """A batch that is rejected, and its payouts in the next one."""
    closed, proposal = a_closed_statement(), a_proposal()
    reject = RejectBatch(batch_id="b-1", reason="typo", rejected_by="bob")
    return Scenario(
        "payouts",
        (
            (outgoing(closed), outgoing(a_payee()), noise(closed.message_type)),
            (outgoing(proposal),),
            (outgoing(reject), outgoing(reject, again=1)),
            (outgoing(a_proposal("b-2")),),
        ),
        frozenset(["waiting", "kept", "proposed", "rejected", "duplicate"]),
        {},
        dead=1,
    )


def _plan(rail: str) -> Plan:
    version = 2 if rail == "iso20022" else 1
    return Plan(rail, "EUR", 4200, 0, "m-1", version, "•••• 3000")


def _digest(line: Line) -> str:
    return batch_digest("default", [line])
