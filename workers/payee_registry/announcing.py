"""What a rule publishes about a payee."""

from __future__ import annotations

from dataclasses import replace

from contracts.payees.fields import PayoutMethod
from contracts.payees.v1 import PayeeChanged, PayeeRefused
from contracts.payees.view import Method, Payee
from contracts.wire.decision import Decision
from workers.payee_registry.model import State

Answer = Decision[State]


def change(state: State, payee: Payee, outcome: str) -> Answer:
    """The payee has changed: its version grows, and all that others need is published."""
    payee = replace(payee, version=payee.version + 1)
    event = PayeeChanged(
        distributor_id=payee.distributor_id,
        version=payee.version,
        usable=payee.reason is None,
        reason=payee.reason,
        usable_from=payee.usable_from if payee.method is not None else None,
        method=_published(payee.method) if payee.method is not None else None,
        identity=payee.identity_state,
    )
    return Decision(state.with_payee(payee), (event,), outcome)


def refuse(state: State, distributor_id: int, reason: str, detail: str) -> Answer:
    return Decision(state, (PayeeRefused(distributor_id=distributor_id, reason=reason, detail=detail),), "refused")


def not_another_person(before: str, by: str, payees: tuple[int, ...], own: int | None) -> tuple[str, str] | None:
    """Why this person cannot decide about what `before` began: reason and sentence."""
    if by.casefold() == before.casefold():
        return "same_person", f"by: {by} has begun it; let another person decide."
    if own is not None and own in payees:
        return "payee_approves_own", f"by: {by} is paid by this account; let another person decide."
    return None


def _published(method: Method) -> PayoutMethod:
    return PayoutMethod(
        method_id=method.method_id,
        rail=method.rail,
        currency=method.currency,
        country=method.country,
        holder=method.holder,
        destination=method.destination,
        hint=method.hint,
        bank_code=method.bank_code,
    )
