"""What payouts move: what is payable is sent and paid, or available again with what was withheld of it.

Each posting has a natural key of its payout, so a repeat is known for ever. No rule waits for another event of the
payout: sums commute, so any order of arrival ends the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from contracts.money import to_minor
from contracts.payouts.v1 import PayoutFailed, PayoutPaid, PayoutReturned, PayoutStarted
from contracts.settlement.arithmetic import tax_month_without
from contracts.settlement.kinds import PostingKind
from contracts.settlement.view import Statement, account_key
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Message, Payload
from workers.settlement.booking import book
from workers.settlement.model import Movement, Result, State

PayoutEvent = PayoutStarted | PayoutPaid | PayoutFailed | PayoutReturned


class _Legs(NamedTuple):
    """Amounts by account, in the currency of the statement and in the one that is sent. They may be the same."""

    own: Mapping[str, int]
    sent: Mapping[str, int]


def send_payout(state: State, message: Message[PayoutStarted]) -> Result:
    """What is payable is on its way; what the rail cannot send of it is available again. A conversion takes its fee and
    the rest in the statement's currency, and gives the amount in the other.
    """
    return _post(state, message)


def pay_payout(state: State, message: Message[PayoutPaid]) -> Result:
    """What was on its way is paid. What the rail took for it is the platform's, whenever it is reported."""
    return _post(state, message)


def fail_payout(state: State, message: Message[PayoutFailed]) -> Result:
    """Nothing was paid: the amount is available again, with the tax and the fees of its statement."""
    return _post(state, message)


def return_payout(state: State, message: Message[PayoutReturned]) -> Result:
    """What was paid came back and is available again, with the tax of its statement. What was converted comes back in
    the currency sent. What the rail took for it is the platform's.
    """
    return _post(state, message)


def posting_ids(data: PayoutEvent) -> tuple[str, ...]:
    """The ids of the postings that the event may cause."""
    key, kind = data.payout_id, _kind(data)
    fee = "return_fee" if kind == "returned" else "fee"
    return f"{key}/{kind}", f"{key}/{kind}/sent_currency", f"{key}/{fee}"


def accounts_moved(data: PayoutEvent, statement: Statement) -> tuple[str, str]:
    """The accounts of the statement and of the currency sent."""
    return statement.account, account_key(statement.market, statement.distributor_id, data.currency)


def _post(state: State, message: Message[PayoutEvent]) -> Result:
    statement = state.closed.get(message.data.payout_id)
    if statement is None:
        return NotYet("unknown_statement")
    movements = _movements(message, statement, state.accounts[statement.account].last_statement)
    missing = [movement for movement in movements if movement.posting_id not in state.booked]
    if not missing:
        return Decision(state, outcome="duplicate")
    events: list[Payload] = []
    for movement in missing:
        state, _, opened = book(state, movement, message.time)
        events += opened
    if any(movement.follows is not None for movement in missing):
        account = state.accounts[statement.account]
        state = state.with_account(replace(account, tax=tax_month_without(statement, account.tax)))
    return Decision(state, tuple(events), "booked")


def _movements(message: Message[PayoutEvent], statement: Statement, newest: str | None) -> list[Movement]:
    """The movements in the currency of the statement and in that which is sent: one, if they are the same. `newest` is
    the last statement of the account.
    """
    data, (own, sent) = message.data, _legs(message.data, statement)
    of, of_sent, of_fee = posting_ids(data)
    kind, fee = _kind(data), to_minor(_fee(data), data.currency)
    parts: list[tuple[str, PostingKind, str, Mapping[str, int]]] = (
        [(of, kind, data.currency, _together(own, sent))]
        if data.currency == statement.currency
        else [(of, kind, statement.currency, own), (of_sent, kind, data.currency, sent)]
    )
    parts.append((of_fee, "fee", data.currency, {"fees": -fee, "rail_fees": fee}))
    return [
        Movement(
            posting_id=posting_id,
            kind=of_kind,
            market=statement.market,
            distributor_id=statement.distributor_id,
            currency=currency,
            amount_minor=legs.get("available", 0),
            effective_at=message.time,
            reference=statement.statement_id,
            others={name: minor for name, minor in legs.items() if name != "available"},
            follows=newest if of_kind in ("failed", "returned") else None,
        )
        for posting_id, of_kind, currency, legs in parts
        if any(legs.values())
    ]


def _legs(data: PayoutEvent, statement: Statement) -> _Legs:
    amount, withheld, fees = to_minor(data.amount, data.currency), statement.withheld_minor, statement.fees_minor
    if isinstance(data, PayoutStarted):
        return _legs_of_send(data, statement, amount)
    if isinstance(data, PayoutPaid):
        return _Legs({}, {"in_payout": -amount, "paid": amount})
    if isinstance(data, PayoutFailed):
        own = {"tax": -withheld, "fees": -fees, "available": withheld + fees}
        return _Legs(own, {"in_payout": -amount, "available": amount})
    return _Legs({"tax": -withheld, "available": withheld}, {"paid": -amount, "available": amount})


def _legs_of_send(data: PayoutStarted, statement: Statement, amount: int) -> _Legs:
    payable, left = statement.payable_minor, to_minor(data.left, statement.currency)
    own, sent = {"payable": -payable, "available": left}, {"in_payout": amount}
    if data.conversion is None:
        return _Legs(own, sent)
    fee = to_minor(data.conversion.fee, statement.currency)
    return _Legs(own | {"fees": fee, "fx": payable - left - fee}, sent | {"fx": -amount})


def _together(own: Mapping[str, int], sent: Mapping[str, int]) -> Mapping[str, int]:
    legs = Counter(own)
    legs.update(sent)
    return legs


def _kind(data: PayoutEvent) -> PostingKind:
    if isinstance(data, PayoutStarted):
        return "send"
    if isinstance(data, PayoutPaid):
        return "paid"
    return "failed" if isinstance(data, PayoutFailed) else "returned"


def _fee(data: PayoutEvent) -> Decimal:
    """What the rail took."""
    return (data.fee if isinstance(data, PayoutPaid | PayoutReturned) else None) or Decimal(0)
