"""The rule of an answer: it becomes a report of the attempt. `payouts` decides what follows."""

from __future__ import annotations

import re
from decimal import Decimal

from contracts.fields import DETAIL_MAX
from contracts.money import MINOR_DIGITS_EVER
from contracts.payouts.faults import FAULTS
from contracts.payouts.v1 import PayoutAttemptDue, PayoutCheckDue, PayoutReported
from contracts.wire.answer import Answer
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from workers.payout_delivery.model import State

KNOWN = ("accepted", "awaiting_payee", "paid", "returned")
"""The codes by which a rail says where the payment is. Of a check also `absent`."""

_is_code = re.compile(r"[a-z][a-z0-9_]{0,63}").fullmatch
_is_amount = re.compile(r"[0-9]{1,12}(\.[0-9]{1,4})?").fullmatch
_is_reference = re.compile(r"[!-~]{1,128}").fullmatch


def key_of(due: PayoutAttemptDue) -> str:
    """The attempt: the rail recognises a repeat by it, so all calls of it have the same key."""
    return due.key


def key_of_check(due: PayoutCheckDue) -> str:
    """The check: each asks anew, while the call that sends is made once. The rail is asked about `due.key`."""
    return f"{due.key}/{due.check}"


def rail_of(due: PayoutAttemptDue | PayoutCheckDue) -> str:
    """The rail: a slow one holds up its own payouts."""
    return due.method.rail


def record(state: State, message: Message[PayoutAttemptDue], answer: Answer) -> Decision[State]:
    """Report what a call that sends came to."""
    outcome = _outcome_of_call(answer)
    return Decision(state, (_reported(message, answer, outcome),), outcome)


def record_check(state: State, message: Message[PayoutCheckDue], answer: Answer) -> Decision[State]:
    """Report what the rail says about the attempt."""
    outcome = _outcome_of_check(answer)
    return Decision(state, (_reported(message, answer, outcome, check=message.data.check),), outcome)


def _outcome_of_call(answer: Answer) -> str:
    if answer.outcome == "unavailable":
        return "not_sent"
    if answer.outcome == "refused":
        return "failed"
    return answer.code if answer.outcome == "done" and answer.code in KNOWN else "unknown"


def _outcome_of_check(answer: Answer) -> str:
    """A question that was not answered says nothing, and one that was refused says nothing about the payment, unless it
    names a fault of it.
    """
    if answer.outcome == "refused" and answer.code in FAULTS:
        return "failed"
    return answer.code if answer.outcome == "done" and answer.code in (*KNOWN, "absent") else "unknown"


def _reported(
    message: Message[PayoutAttemptDue] | Message[PayoutCheckDue],
    answer: Answer,
    outcome: str,
    *,
    check: int | None = None,
) -> PayoutReported:
    """What the rail wrote that messages cannot hold is left out: a report that is lost would leave money in doubt."""
    due, facts = message.data, answer.facts
    code = facts.get("fault", answer.code)
    amount, currency = facts.get("amount", ""), facts.get("currency", "")
    has_amount = _is_amount(amount) is not None and currency in MINOR_DIGITS_EVER
    fee = facts.get("fee", "")
    return PayoutReported(
        payout_id=due.payout_id,
        attempt=due.attempt,
        check=check,
        key=due.key,
        rail=due.method.rail,
        report_id=f"{due.key}/{message.id}"[:128],
        outcome=outcome,
        code=code if _is_code(code) else "unexplained",
        detail=answer.detail[:DETAIL_MAX],
        reported_at=answer.at,
        reference=answer.reference if answer.reference and _is_reference(answer.reference) else None,
        amount=Decimal(amount) if has_amount else None,
        currency=currency if has_amount else None,
        fee=Decimal(fee) if _is_amount(fee) else None,
    )
