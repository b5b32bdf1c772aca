"""Conversion of what is payable into the currency of the payee's method: once, by an approved table, never 1:1."""

from __future__ import annotations

from datetime import datetime

from contracts.exchange_rates.conversion import convert, rate_between
from contracts.exchange_rates.v1 import RatesApproved
from contracts.exchange_rates.view import RATE_AGE_MAX
from contracts.money import to_rate_ppm
from contracts.payouts.view import Conversion, KnownRates, Payout, Plan
from contracts.times import plus
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from workers.payouts.model import State


def note_rates(state: State, message: Message[RatesApproved]) -> Decision[State]:
    """Keep the newest table of each source, whatever the order of arrival."""
    data = message.data
    known = state.rates.get(data.source)
    if known is not None and data.as_of <= known.as_of:
        return Decision(state, outcome="outdated")
    rates = {stated.currency: stated.rate for stated in data.rates}
    newest = KnownRates(data.source, data.table_id, data.base, data.as_of, rates, to_rate_ppm(data.spread))
    return Decision(state.with_rates(newest), outcome="kept")


def converted(
    state: State, payout: Payout, target: str, planned: Plan | None, at: datetime, *, whole_units: bool
) -> tuple[Conversion, int] | None:
    """How the payable amount becomes `target`, and what is sent. What was planned keeps its rate for as long as that is
    not too old; a new plan takes the newest. None without such a rate.
    """
    source = payout.statement_currency
    before = planned.conversion if planned is not None and planned.currency == target else None
    if before is None:
        before = _newest(state, source, target)
    if before is None or plus(before.as_of, RATE_AGE_MAX) < at:
        return None
    found = convert(payout.payable_minor, before.spread_ppm, before.rate, source, target, whole_units=whole_units)
    conversion = Conversion(
        before.table_id, before.source, before.as_of, before.rate, before.spread_ppm, found.fee_minor
    )
    return conversion, found.amount_minor


def _newest(state: State, source: str, target: str) -> Conversion | None:
    """The newest rate; its fee is not known yet."""
    found = [
        Conversion(known.table_id, known.source, known.as_of, rate, known.spread_ppm, 0)
        for known in state.rates.values()
        if (rate := rate_between(known.base, known.rates, source, target)) is not None
    ]
    return max(found, key=lambda one: (one.as_of, one.source), default=None)
