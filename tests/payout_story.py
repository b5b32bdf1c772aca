"""Builders for payouts: a statement of 42.00 EUR, an account at the rail iso20022, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from contracts.payees.fields import PayoutMethod
from contracts.payees.v1 import PayeeChanged
from contracts.payouts.v1 import (
    ApproveBatch,
    PayoutAttemptDue,
    PayoutCheckDue,
    PayoutReported,
    ProposeBatch,
    ReportPayout,
)
from contracts.payouts.view import Payout
from contracts.settlement.v1 import StatementClosed
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Message, Payload
from tests.builders import NOW, message, tick
from workers.payouts import batches, decide, reports, sending
from workers.payouts.attempts import key_of
from workers.payouts.model import State

PAYEE = 40021
ON_MONDAY = NOW
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def statement_id(distributor_id: int = PAYEE, currency: str = "EUR", period: str = "2026-10") -> str:
    return f"default/{period}/{distributor_id}/{currency}"


ID = statement_id()


def a_closed_statement(
    distributor_id: int = PAYEE, payable: str = "42.00", currency: str = "EUR", period: str = "2026-10", **fields: Any
) -> StatementClosed:
    zero, amount = Decimal(0), Decimal(payable)
    usual: dict[str, Any] = {
        "statement_id": statement_id(distributor_id, currency, period),
        "number": 1,
        "market": "default",
        "distributor_id": distributor_id,
        "currency": currency,
        "period": period,
        "starts_at": NOW,
        "ends_at": NOW,
        "zone": "UTC",
        "terms_version": 0,
        "opening": zero,
        "released": amount,
        "reversed": zero,
        "rewards": zero,
        "adjustments": zero,
        "written_off": zero,
        "late": zero,
        "gross": amount,
        "withheld": zero,
        "fees": zero,
        "payable": amount,
        "carried": zero,
        "minimum": zero,
        "outcome": "payable",
        "posting_count": 1,
    }
    return StatementClosed(**{**usual, **fields})


def a_method(rail: str = "iso20022", currency: str = "EUR", method_id: str = "m-1", **fields: Any) -> PayoutMethod:
    usual: dict[str, Any] = {
        "method_id": method_id,
        "rail": rail,
        "currency": currency,
        "country": "DE",
        "holder": "sealed-2:payee-40021-1:aG9sZGVy",
        "destination": "sealed-2:payee-40021-1:aWJhbg==",
        "hint": "•••• 3000",
    }
    return PayoutMethod(**{**usual, **fields})


def a_payee(
    distributor_id: int = PAYEE, version: int = 1, *, method: PayoutMethod | None = None, **fields: Any
) -> PayeeChanged:
    usual: dict[str, Any] = {"usable": True, "method": method or a_method()}
    return PayeeChanged(distributor_id=distributor_id, version=version, **{**usual, **fields})


def a_proposal(batch_id: str = "b-1", by: str = "ann", **fields: Any) -> ProposeBatch:
    return ProposeBatch(batch_id=batch_id, market="default", proposed_by=by, **fields)


def an_approval(digest: str, batch_id: str = "b-1", by: str = "bob", **fields: Any) -> ApproveBatch:
    return ApproveBatch(batch_id=batch_id, digest=digest, approved_by=by, **fields)


def an_attempt_due(method_id: str = "m-1", **fields: Any) -> PayoutAttemptDue:
    """The first attempt of a payout by this method; each method is that of another distributor's statement."""
    payout_id = ID if method_id == "m-1" else f"default/2026-10/{method_id}/EUR"
    usual: dict[str, Any] = {
        "payout_id": payout_id,
        "attempt": 1,
        "key": key_of(payout_id, 1),
        "distributor_id": PAYEE,
        "amount": Decimal("42.00"),
        "currency": "EUR",
        "method": a_method(method_id=method_id),
        "remittance": "Commission 2026-10",
    }
    return PayoutAttemptDue(**{**usual, **fields})


def a_check_due(due: PayoutAttemptDue | None = None, check: int = 1) -> PayoutCheckDue:
    """The question what became of an attempt."""
    due = due or an_attempt_due()
    return PayoutCheckDue(
        payout_id=due.payout_id,
        attempt=due.attempt,
        key=due.key,
        distributor_id=due.distributor_id,
        amount=due.amount,
        currency=due.currency,
        method=due.method,
        check=check,
        attempted_at=NOW,
    )


def an_answer(
    outcome: str, code: str | None = None, *, payout_id: str = ID, number: int = 1, times: int = 1, **fields: Any
) -> PayoutReported:
    """What a call came to; `times` tells calls of the same attempt apart."""
    key = key_of(payout_id, number)
    usual: dict[str, Any] = {
        "payout_id": payout_id,
        "attempt": number,
        "key": key,
        "rail": "iso20022",
        "report_id": f"{key}/{fields.get('check') or 'call'}/{times}",
        "outcome": outcome,
        "code": code or outcome,
        "detail": f"The bank answers {code or outcome}.",
        "reported_at": NOW,
    }
    return PayoutReported(**{**usual, **fields})


def a_report(
    outcome: str, report_id: str = "entry-1", *, payout_id: str = ID, number: int = 1, **fields: Any
) -> ReportPayout:
    """What the bank writes by itself."""
    usual: dict[str, Any] = {
        "key": key_of(payout_id, number),
        "rail": "iso20022",
        "report_id": report_id,
        "outcome": outcome,
        "code": outcome,
        "source": "callback",
        "occurred_at": NOW,
    }
    return ReportPayout(**{**usual, **fields})


class Story:
    """Payouts in memory: each step hands a message to its rule, and keeps the state and what was published."""

    def __init__(self) -> None:
        self.state = State()
        self.at: datetime = NOW
        self.published: list[Payload] = []
        self.outcome = ""

    def hand(self, decide: Callable[..., Any], payload: Payload, **changes: Any) -> list[Payload]:
        """What is published for it."""
        sent: Message[Any] = message(payload, time=self.at)
        decision = decide(replace(self.state, **changes), sent)
        if isinstance(decision, NotYet):
            assert decision.otherwise is not None
            decision = decision.otherwise
        assert isinstance(decision, Decision)
        self.state = replace(decision.state, candidates=(), due=(), more_due=False)
        self.published += decision.publish
        self.outcome = decision.outcome
        return list(decision.publish)

    def close(self, *statements: StatementClosed) -> None:
        for statement in statements:
            self.hand(decide.note_statement, statement)

    def know(self, *payees: PayeeChanged) -> None:
        for payee in payees:
            self.hand(decide.note_payee, payee)

    def propose(self, proposal: ProposeBatch | None = None) -> list[Payload]:
        waiting = sorted(
            (payout for payout in self.state.payouts.values() if payout.state == "waiting"),
            key=lambda payout: payout.queued_at,
        )
        command = proposal or a_proposal()
        named = command.statement_ids or [payout.payout_id for payout in waiting]
        return self.hand(batches.propose_batch, command, candidates=tuple(k for k in named if k in self.state.payouts))

    def approve(self, batch_id: str = "b-1", by: str = "bob", **fields: Any) -> list[Payload]:
        digest = fields.pop("digest", None) or self.state.batches[batch_id].digest
        return self.hand(batches.approve_batch, an_approval(digest, batch_id, by, **fields))

    def pass_time(self, span: timedelta = timedelta(0), due_max: int = 200) -> list[Payload]:
        """A tick after this time, with what is due then."""
        self.at += span
        due = sorted(
            (p for p in self.state.payouts.values() if p.due_at is not None and p.due_at <= self.at),
            key=lambda p: (p.due_at, p.payout_id),
        )
        taken = tuple(payout.payout_id for payout in due[:due_max])
        return self.hand(sending.send_on_tick, tick(self.at), due=taken, more_due=len(due) > due_max)

    def answer(self, outcome: str, code: str | None = None, **fields: Any) -> list[Payload]:
        """What a call for the first payout came to."""
        return self.hand(reports.note_reported, an_answer(outcome, code, **{**self._of_first(), **fields}))

    def report(self, outcome: str, report_id: str = "entry-1", **fields: Any) -> list[Payload]:
        """What its rail writes by itself."""
        return self.hand(reports.note_report, a_report(outcome, report_id, **{**self._of_first(), **fields}))

    def _of_first(self) -> dict[str, Any]:
        payout = next(iter(self.state.payouts.values()))
        return {"payout_id": payout.payout_id, "rail": payout.plan.rail if payout.plan else "iso20022"}

    def payout(self, payout_id: str | None = None) -> Payout:
        """This payout, or the first."""
        return self.state.payouts[payout_id or next(iter(self.state.payouts))]


def started(rail: str = "iso20022", currency: str = "EUR", *, payable: str = "42.00") -> Story:
    """A payout whose first attempt is due."""
    story = Story()
    story.close(a_closed_statement(payable=payable, currency=currency))
    story.know(a_payee(method=a_method(rail, currency)))
    story.propose()
    story.approve()
    story.pass_time()
    story.published.clear()
    return story


def names(events: Sequence[Payload]) -> list[str]:
    """The types of events, without their versions."""
    return [event.message_type.rpartition(".")[0] for event in events]
