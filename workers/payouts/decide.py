"""What may be sent, and to whom: payable statements become payouts, and the newest version of a payee is kept."""

from __future__ import annotations

from dataclasses import replace

from contracts.money import to_minor
from contracts.payees.v1 import PayeeChanged
from contracts.payouts.view import Payout
from contracts.settlement.v1 import StatementClosed
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from workers.payouts.model import State


def note_statement(state: State, message: Message[StatementClosed]) -> Decision[State]:
    """What a statement states as payable waits for a batch: one payout per statement, for ever."""
    data = message.data
    payable = to_minor(data.payable, data.currency)
    if data.outcome != "payable" or payable <= 0:
        return Decision(state, outcome="nothing_payable")
    if data.statement_id in state.payouts:
        return Decision(state, outcome="duplicate")
    payout = Payout(
        payout_id=data.statement_id,
        market=data.market,
        period=data.period,
        distributor_id=data.distributor_id,
        statement_currency=data.currency,
        payable_minor=payable,
        approvals=data.approvals,
        payable_at=message.time,
        queued_at=message.time,
    )
    return Decision(state.with_payout(payout), outcome="waiting")


def note_payee(state: State, message: Message[PayeeChanged]) -> Decision[State]:
    """Keep how a distributor is paid. The highest version counts, whatever the order of arrival."""
    data = message.data
    known = state.payee(data.distributor_id)
    if data.version <= known.version:
        return Decision(state, outcome="outdated")
    payee = replace(
        known,
        version=data.version,
        usable=data.usable,
        reason=data.reason,
        usable_from=data.usable_from,
        method=data.method,
        method_version=known.method_version if data.method == known.method else data.version,
        identity=data.identity,
    )
    return Decision(state.with_payee(payee), outcome="kept")
