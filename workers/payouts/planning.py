"""What a payout would send now, or why it sends nothing. The same rule proposes, approves and sends."""

from __future__ import annotations

from datetime import datetime

from contracts.fields import AMOUNT_MINOR_MAX
from contracts.money import MINOR_DIGITS_EVER
from contracts.payouts.rails import RAILS
from contracts.payouts.view import Payee, Payout, Plan, RailState
from workers.payouts.converting import converted
from workers.payouts.corridors import closed_to
from workers.payouts.model import State

ON_HOLD, RAIL_PAUSED = "on_hold", "rail_paused"
"""The reasons of what is left out, or waits, whatever its amount and method."""


def plan_of(state: State, payout: Payout, at: datetime, planned: Plan | None = None) -> Plan | str:
    """The plan of a payout by the payee's method, or the reason why it is left out. What was planned before keeps its
    rate of exchange.

    A rail that takes whole units of a currency sends no more than that, and the rest is left; of a conversion, the rest
    stays with the house.
    """
    payee = state.payee(payout.distributor_id)
    if reason := _unpayable(payee, at):
        return reason
    method = payee.method
    rail = RAILS.get(method.rail) if method else None
    if method is None or rail is None:
        return "rail_unknown"
    if rail.currencies is not None and method.currency not in rail.currencies:
        return "rail_refuses_currency"
    is_whole, conversion = method.currency in rail.whole_units, None
    left = payout.payable_minor % (10 ** MINOR_DIGITS_EVER[method.currency] if is_whole else 1)
    amount = payout.payable_minor - left
    if method.currency != payout.statement_currency:
        found = converted(state, payout, method.currency, planned, at, whole_units=is_whole)
        if found is None:
            return "no_rate"
        (conversion, amount), left = found, 0
    if amount == 0:
        return "below_whole_unit"
    if amount > AMOUNT_MINOR_MAX[method.currency]:
        return "amount_too_large"
    plan = Plan(
        rail=rail.name,
        currency=method.currency,
        amount_minor=amount,
        left_minor=left,
        method_id=method.method_id,
        method_version=payee.method_version,
        hint=method.hint,
        conversion=conversion,
    )
    return closed_to(state, payee, plan, at, is_begun=bool(payout.attempts)) or plan


def _unpayable(payee: Payee, at: datetime) -> str | None:
    """Why nothing is sent to this distributor now, whatever the amount."""
    if payee.hold is not None:
        return ON_HOLD
    if payee.method is None:
        return "no_payout_method"
    if not payee.usable:
        return "method_unusable"
    if payee.usable_from is not None and payee.usable_from > at:
        return "method_cooling_off"
    return None


def is_paused(rail: RailState, at: datetime) -> bool:
    return rail.paused_until is not None and rail.paused_until > at
