"""Corridors: proposed by one person, opened by another, closed by anyone at once. None is open by default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from contracts.approvals import unchecked_detail
from contracts.corridors.v1 import (
    ApproveCorridor,
    CloseCorridor,
    CorridorClosed,
    CorridorOpened,
    CorridorProposed,
    CorridorRefused,
    DefineCorridor,
)
from contracts.corridors.view import DECIDED, Corridor, corridor_digest
from contracts.money import MoneyError, to_minor
from contracts.payouts.view import Payee, Payout, Plan
from contracts.rules.plans import AmountIn
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Message
from contracts.wire.refusal import Refusing
from workers.payouts.model import Result, State

refuse_unreadable = Refusing[DefineCorridor | ApproveCorridor | CloseCorridor](CorridorRefused, "corridor_id")


def define_corridor(state: State, message: Message[DefineCorridor]) -> Result:
    """Store the proposal. The same id with another content is refused."""
    command = message.data
    try:
        per_payment = _minor("limit_per_payment", command.limit_per_payment)
        per_year = _minor("limit_per_year", command.limit_per_year)
    except MoneyError as error:
        return _refuse(state, command.corridor_id, "amount_precision", f"{error}.")
    route = (command.rail, command.from_country, command.to_country)
    digest = corridor_digest(route, command.currencies, per_payment, per_year)
    known = state.corridors.get(command.corridor_id)
    if known is not None:
        if known.digest == digest:
            return Decision(state, outcome="duplicate")
        detail = f"corridor_id: {known.corridor_id} is another corridor, which never changes; choose another id."
        return _refuse(state, known.corridor_id, "conflict", detail)
    corridor = Corridor(
        corridor_id=command.corridor_id,
        rail=command.rail,
        from_country=command.from_country,
        to_country=command.to_country,
        currencies=command.currencies,
        digest=digest,
        proposed_by=command.proposed_by,
        proposed_at=message.received_at,
        limit_per_payment=per_payment,
        limit_per_year=per_year,
        proposed_os_user=command.os_user,
    )
    event = CorridorProposed(
        corridor_id=corridor.corridor_id,
        rail=corridor.rail,
        from_country=corridor.from_country,
        to_country=corridor.to_country,
        currencies=corridor.currencies,
        digest=digest,
        proposed_by=corridor.proposed_by,
        os_user=command.os_user,
    )
    return Decision(state.with_corridor(corridor), (event,), "proposed")


def approve_corridor(state: State, message: Message[ApproveCorridor]) -> Result:
    """A second person opens exactly this corridor, which replaces the one before on its route."""
    command, now = message.data, message.received_at
    known = state.corridors.get(command.corridor_id)
    if known is None:
        return _unknown(state, command.corridor_id)
    if known.digest != command.digest:
        detail = f"digest: {known.corridor_id} has the digest {known.digest}, not the given one; read it again."
        return _refuse(state, known.corridor_id, "digest_mismatch", detail)
    if known.proposed_by.casefold() == command.approved_by.casefold():
        detail = f"approved_by: {command.approved_by} has proposed it; let another person read and approve it."
        return _refuse(state, known.corridor_id, "same_person", detail)
    if known.state == "open":
        return Decision(state, outcome="duplicate")
    if unchecked := unchecked_detail(command.independent_of, [known.proposed_by], command.approved_by):
        return _refuse(state, known.corridor_id, "changed_meanwhile", unchecked)
    if known.state != "proposed":
        detail = f"corridor_id: {known.corridor_id} is {known.state}, which stays; define another corridor."
        return _refuse(state, known.corridor_id, "already_decided", detail)
    opened = replace(
        known, state="open", approved_by=command.approved_by, approved_at=now, approved_os_user=command.os_user
    )
    before = next((one for one in _decided(state) if one.route == known.route), None)
    if before is not None:
        state = state.with_corridor(replace(before, state="replaced", closed_at=before.closed_at or now))
    event = CorridorOpened(
        corridor_id=known.corridor_id,
        rail=known.rail,
        from_country=known.from_country,
        to_country=known.to_country,
        digest=known.digest,
        approved_by=command.approved_by,
        replaced=before.corridor_id if before is not None else None,
        os_user=command.os_user,
    )
    return Decision(state.with_corridor(opened), (event,), "opened")


def close_corridor(state: State, message: Message[CloseCorridor]) -> Result:
    """One person closes it, as nothing is lost by it: what is payable waits."""
    command, now = message.data, message.received_at
    known = state.corridors.get(command.corridor_id)
    if known is None:
        return _unknown(state, command.corridor_id)
    if known.state not in ("proposed", "open"):
        return Decision(state, outcome="duplicate")
    closed = replace(
        known,
        state="closed" if known.state == "open" else "rejected",
        closed_by=command.closed_by,
        closed_at=now,
        close_reason=command.reason,
        closed_os_user=command.os_user,
    )
    event = CorridorClosed(
        corridor_id=known.corridor_id, reason=command.reason, closed_by=command.closed_by, os_user=command.os_user
    )
    return Decision(state.with_corridor(closed), (event,), "closed")


def closed_to(state: State, payee: Payee, plan: Plan, at: datetime, *, is_begun: bool) -> str | None:
    """Why the plan may not go to the payee's country, or None. What is begun counts in its year already.

    Where money is converted, or the rail has corridors at all, closed or not, one must be open for the country and the
    currency. A rail without any sends within its own country, so far as we know.
    """
    corridors = [one for one in _decided(state) if one.rail == plan.rail]
    if plan.conversion is None and not corridors:
        return None
    method = payee.method
    assert method is not None, "a plan is made of a method"
    ways = [one for one in corridors if one.state == "open" and one.to_country == method.country]
    ways = [one for one in ways if plan.currency in one.currencies]
    if not ways:
        return "corridor_not_allowed"
    ways = [one for one in ways if plan.amount_minor <= one.limit_per_payment.get(plan.currency, plan.amount_minor)]
    if not ways:
        return "limit_of_payment_reached"
    total = payee.sent_in_year.get(year_key(plan, method.country, at), 0) + (0 if is_begun else plan.amount_minor)
    if all(total > one.limit_per_year.get(plan.currency, total) for one in ways):
        return "limit_of_year_reached"
    return None


def year_key(plan: Plan, country: str, at: datetime) -> str:
    """What the limit of a year counts together."""
    return f"{at.year}/{plan.rail}/{country}/{plan.currency}"


def with_sent(payee: Payee, plan: Plan, at: datetime) -> Payee:
    """The payee with what is sent now counted in its year; other years are no longer needed."""
    assert payee.method is not None, "a plan is made of a method"
    key = year_key(plan, payee.method.country, at)
    this_year = {known: sent for known, sent in payee.sent_in_year.items() if known.startswith(f"{at.year}/")}
    return replace(payee, sent_in_year={**this_year, key: this_year.get(key, 0) + plan.amount_minor})


def without_sent(state: State, payout: Payout, plan: Plan) -> State:
    """The state in which a payout that failed or came back does not count in its year, if that is still counted."""
    assert payout.started_at is not None, f"{payout.payout_id} has ended and was never begun"
    payee = state.payee(payout.distributor_id)
    key = year_key(plan, payout.attempts[0].method.country, payout.started_at)
    if key not in payee.sent_in_year:
        return state
    left = max(payee.sent_in_year[key] - plan.amount_minor, 0)
    return state.with_payee(replace(payee, sent_in_year={**payee.sent_in_year, key: left}))


def _decided(state: State) -> list[Corridor]:
    return [one for one in state.corridors.values() if one.state in DECIDED]


def _minor(field: str, amounts: Iterable[AmountIn]) -> Mapping[str, int]:
    try:
        return {listed.currency: to_minor(listed.amount, listed.currency) for listed in amounts}
    except MoneyError as error:
        raise MoneyError(f"{field}: {error}") from error


def _unknown(state: State, corridor_id: str) -> NotYet[State]:
    detail = f"corridor_id: there is no corridor {corridor_id}; define it."
    return NotYet("unknown_corridor", _refuse(state, corridor_id, "unknown_corridor", detail))


def _refuse(state: State, corridor_id: str, reason: str, detail: str) -> Decision[State]:
    return Decision(state, (CorridorRefused(corridor_id=corridor_id, reason=reason, detail=detail),), "refused")
