"""What rails and persons report of an attempt. Reports come in any order and more than once; each is stored, and
changes something once at most.

Their rank decides: accepted 1, awaiting_payee 2, paid and failed 3, returned 4. One of a lower rank than a report
before it changes nothing. One that cannot be true beside what is known is a conflict: nothing is posted, and a person
looks.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from contracts.fields import DETAIL_MAX
from contracts.money import MoneyError, to_minor
from contracts.payouts.v1 import PayoutReported, ReportPayout, ReportRefused
from contracts.payouts.view import Payout, Report, report_key
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from contracts.wire.refusal import Refusing
from workers.payouts.model import Result, State
from workers.payouts.outcomes import Case, apply
from workers.payouts.pauses import note_answer

refuse_unreadable = Refusing[ReportPayout](ReportRefused, "key")

NOT_A_SUM = -1
"""An amount that its currency cannot express is never equal to ours."""


def note_reported(state: State, message: Message[PayoutReported]) -> Decision[State]:
    """What a call of ours came to. It counts for the pauses of its rail too."""
    data = message.data
    report = Report(
        report=report_key(data.rail, data.report_id),
        key=data.key,
        rail=data.rail,
        outcome=data.outcome,
        code=data.code,
        source="call",
        occurred_at=data.reported_at,
        received_at=message.time,
        effect="no_change",
        detail=data.detail[:DETAIL_MAX],
        reference=data.reference,
        amount_minor=_minor(data.amount, data.currency),
        currency=data.currency,
        fee_minor=_minor(data.fee, data.currency),
    )
    if report.report in state.reports:
        return Decision(state, outcome="duplicate")
    state, paused = note_answer(state, data.rail, is_unknown=data.outcome == "unknown", at=message.time)
    payout = _of_key(state, data.key)
    if payout is None:
        return Decision(state.with_report(replace(report, effect="unknown_key")), paused, "unknown_key")
    decision = stored(state, payout, report, message.time, is_answer=data.check is None)
    return replace(decision, publish=(*paused, *decision.publish))


def note_report(state: State, message: Message[ReportPayout]) -> Result:
    """What a rail says by a callback or in a file. It is refused if no attempt has its key, and stored even so."""
    data, now = message.data, message.received_at
    report = Report(
        report=report_key(data.rail, data.report_id),
        key=data.key,
        rail=data.rail,
        outcome=data.outcome,
        code=data.code,
        source=data.source,
        occurred_at=data.occurred_at,
        received_at=now,
        effect="no_change",
        reference=data.reference,
        amount_minor=_minor(data.amount, data.currency),
        currency=data.currency,
        fee_minor=_minor(data.fee, data.currency),
        by=(data.by,) if data.by else (),
    )
    before = state.reports.get(report.report)
    if before is not None and before.key == report.key:
        return Decision(state, outcome="duplicate")
    if before is not None:
        detail = f"report_id: {data.rail} has reported {data.report_id} of another payment; see its report."
        return _refuse(state, data.key, "conflict", detail)
    payout = _of_key(state, data.key)
    if payout is None:
        detail = f"key: no attempt has the key {data.key}; look for the payment at {data.rail} by hand."
        state = state.with_report(replace(report, effect="unknown_key"))
        return _refuse(state, data.key, "unknown_key", detail)
    return stored(state, payout, report, now)


def stored(state: State, payout: Payout, report: Report, at: datetime, *, is_answer: bool = False) -> Decision[State]:
    """Apply a report of one of the attempts of a payout, and store it with what it changed."""
    attempt = next(each for each in payout.attempts if each.key == report.key)
    assert payout.plan is not None, f"{payout.payout_id} has an attempt and no plan"
    case = Case(payout, payout.plan, report, at, is_answer)
    applied = apply(state, case, is_live=attempt.number == payout.live.number)
    kept = replace(report, effect=applied.effect, payout_id=payout.payout_id, attempt=attempt.number)
    return Decision(applied.state.with_report(kept), applied.events, applied.effect)


def _of_key(state: State, key: str) -> Payout | None:
    """The payout that has an attempt of this key."""
    return next((each for each in state.payouts.values() if any(a.key == key for a in each.attempts)), None)


def _minor(amount: Decimal | None, currency: str | None) -> int | None:
    """The amount that a rail names, as far as it names the currency too."""
    if amount is None or currency is None:
        return None
    try:
        return to_minor(amount, currency)
    except MoneyError:
        return NOT_A_SUM


def _refuse(state: State, key: str, reason: str, detail: str) -> Decision[State]:
    return Decision(state, (ReportRefused(key=key, reason=reason, detail=detail),), "refused")
