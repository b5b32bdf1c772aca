"""The rules of payout methods: set and removed by persons, switched off by a rail that finds a fault with the account.

An account that replaces another is used after a cooling-off: who takes over a login cannot empty it at once. An account
that another distributor has too takes two persons.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from contracts.approvals import unchecked_detail
from contracts.payees.v1 import (
    AllowDuplicate,
    DecideIdentity,
    PayeeApproved,
    PayeeRefused,
    RemoveMethod,
    SetMethod,
    SubmitIdentity,
    WaiveCoolingOff,
)
from contracts.payees.view import APPROVALS, Account, Duplicate, Method, Payee, Permit
from contracts.payouts.faults import ACCOUNT_FAULTS
from contracts.payouts.rails import RAILS
from contracts.payouts.v1 import PayoutFailed, PayoutReturned
from contracts.times import plus
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from contracts.wire.refusal import Refusing
from workers.payee_registry.announcing import Answer, change, not_another_person, refuse
from workers.payee_registry.model import State

COOLING_OFF = timedelta(hours=72)
"""A payee who did not set the new account has a weekend to notice, and an off-cycle payout can be waived through."""

refuse_unreadable = Refusing[
    SetMethod | RemoveMethod | AllowDuplicate | WaiveCoolingOff | SubmitIdentity | DecideIdentity
](PayeeRefused, "distributor_id")


def set_method(state: State, message: Message[SetMethod]) -> Answer:
    """Pay by this method from now on, or after the cooling-off if its account replaces another.

    The cooling-off of an account goes on if it is removed and set again, or if only the name on it changes. A method
    that a rail has switched off is usable again when it is set again.
    """
    command, now = message.data, message.received_at
    payee, given = state.payee(command.distributor_id), _method_of(message)
    if refusal := _not_payable(given):
        return refuse(state, payee.distributor_id, *refusal)
    known = payee.method
    if known is not None and payee.fingerprint == command.fingerprint and _same(known, given):
        if known.failed is None:
            return Decision(state, outcome="unchanged")
    elif known is not None and known.method_id == given.method_id:
        detail = f"method.method_id: {known.method_id} is another method of this payee; choose another id."
        return refuse(state, payee.distributor_id, "conflict", detail)
    account = state.account(command.fingerprint)
    if not _may_have(account, payee.distributor_id):
        return _refuse_duplicate(state, payee, command, now)
    if payee.fingerprint is not None and payee.fingerprint != command.fingerprint:
        payee = replace(payee, usable_from=plus(now, COOLING_OFF))
    state = state.released(payee.fingerprint, payee.distributor_id).held(command.fingerprint, payee.distributor_id)
    after = replace(payee, method=given, fingerprint=command.fingerprint, waived_by=(), duplicate=None)
    return change(state, after, "method_set")


def remove_method(state: State, message: Message[RemoveMethod]) -> Answer:
    """Pay no more. Which account it was stays known, so that another one replaces it."""
    payee = state.payee(message.data.distributor_id)
    if payee.method is None:
        return Decision(state, outcome="unchanged")
    state = state.released(payee.fingerprint, payee.distributor_id)
    return change(state, replace(payee, method=None), "method_removed")


def allow_duplicate(state: State, message: Message[AllowDuplicate]) -> Answer:
    """One of two persons allows an account that was refused: neither who asked for it, nor one of those who have it.
    With both, the distributor can set it.
    """
    command = message.data
    payee, account = state.payee(command.distributor_id), state.account(command.fingerprint)
    permit = account.permit_of(payee.distributor_id)
    asked = payee.duplicate if payee.duplicate and payee.duplicate.fingerprint == account.fingerprint else None
    if asked is None:
        if permit is not None:
            return Decision(state, outcome="duplicate")
        detail = "fingerprint: no such account of this distributor was refused; set the method first."
        return refuse(state, payee.distributor_id, "nothing_to_allow", detail)
    paid = (payee.distributor_id, *account.holders)
    if refusal := not_another_person(asked.refused_by, command.by, paid, command.by_distributor_id):
        return refuse(state, payee.distributor_id, *refusal)
    permit = permit or Permit(payee.distributor_id, asked.refused_by, ())
    if _has(permit.approved_by, command.by):
        return Decision(state, outcome="duplicate")
    before = (asked.refused_by, *permit.approved_by)
    if unchecked := unchecked_detail(command.independent_of, before, command.by):
        return refuse(state, payee.distributor_id, "changed_meanwhile", unchecked)
    permit = replace(permit, approved_by=(*permit.approved_by, command.by))
    others = tuple(one for one in account.permits if one.distributor_id != payee.distributor_id)
    state = state.with_account(replace(account, permits=(*others, permit)))
    missing = APPROVALS - len(permit.approved_by)
    if missing <= 0:
        state = state.with_payee(replace(payee, duplicate=None))
    event = PayeeApproved(
        distributor_id=payee.distributor_id,
        subject="duplicate",
        approved_by=command.by,
        missing=missing,
        os_user=command.os_user,
    )
    return Decision(state, (event,), "allowed" if missing <= 0 else "approved")


def waive_cooling_off(state: State, message: Message[WaiveCoolingOff]) -> Answer:
    """One of two persons lets payouts go to a new account at once: neither who set it, nor the payee."""
    command, now = message.data, message.received_at
    payee = state.payee(command.distributor_id)
    if payee.method is None or payee.method.method_id != command.method_id:
        detail = f"method_id: the payee is not paid by {command.method_id}; look at the method that is set now."
        return refuse(state, payee.distributor_id, "unknown_method", detail)
    if payee.usable_from is None or payee.usable_from <= now:
        if _has(payee.waived_by, command.by):
            return Decision(state, outcome="duplicate")
        detail = "method_id: this account is not in a cooling-off; payouts can go to it."
        return refuse(state, payee.distributor_id, "not_cooling_off", detail)
    paid = (payee.distributor_id,)
    if refusal := not_another_person(payee.method.set_by, command.by, paid, command.by_distributor_id):
        return refuse(state, payee.distributor_id, *refusal)
    if _has(payee.waived_by, command.by):
        return Decision(state, outcome="duplicate")
    before = (payee.method.set_by, *payee.waived_by)
    if unchecked := unchecked_detail(command.independent_of, before, command.by):
        return refuse(state, payee.distributor_id, "changed_meanwhile", unchecked)
    payee = replace(payee, waived_by=(*payee.waived_by, command.by))
    missing = APPROVALS - len(payee.waived_by)
    event = PayeeApproved(
        distributor_id=payee.distributor_id,
        subject="cooling_off",
        approved_by=command.by,
        missing=missing,
        os_user=command.os_user,
    )
    if missing > 0:
        return Decision(state.with_payee(payee), (event,), "approved")
    changed = change(state, replace(payee, usable_from=now), "waived")
    return replace(changed, publish=(event, *changed.publish))


def switch_off(state: State, message: Message[PayoutFailed] | Message[PayoutReturned]) -> Answer:
    """A payout failed or came back through a fault of its account: another one would too. The method is not used any
    more until it is set again. A method that was set since then stays as it is.
    """
    event = message.data
    payee = state.payee(event.distributor_id)
    if event.code not in ACCOUNT_FAULTS:
        return Decision(state, outcome="not_the_account")
    method = payee.method
    was_sent_by = event.method_id or (method.method_id if method is not None and method.set_at <= event.at else None)
    if method is None or method.method_id != was_sent_by:
        return Decision(state, outcome="method_replaced")
    if method.failed is not None:
        return Decision(state, outcome="duplicate")
    return change(state, replace(payee, method=replace(method, failed=event.code)), "switched_off")


def _method_of(message: Message[SetMethod]) -> Method:
    method = message.data.method
    return Method(
        method_id=method.method_id,
        rail=method.rail,
        currency=method.currency,
        country=method.country,
        holder=method.holder,
        destination=method.destination,
        hint=method.hint,
        bank_code=method.bank_code,
        set_by=message.data.by,
        set_at=message.received_at,
    )


def _same(known: Method, given: Method) -> bool:
    """Whether the money goes the same way. Equal values of one payee are sealed alike."""
    changed = replace(given, method_id=known.method_id, set_by=known.set_by, set_at=known.set_at, failed=known.failed)
    return changed == known


def _not_payable(method: Method) -> tuple[str, str] | None:
    """Why no rail sends to this method: reason and sentence."""
    rail = RAILS.get(method.rail)
    if rail is None:
        return "unknown_rail", f"method.rail: there is no rail {method.rail}; there are {', '.join(RAILS)}."
    if rail.currencies is not None and method.currency not in rail.currencies:
        sent = ", ".join(sorted(rail.currencies))
        return "currency_not_supported", f"method.currency: {rail.name} sends {sent}; choose another rail."
    return None


def _may_have(account: Account, distributor_id: int) -> bool:
    """Whether the distributor has it already, no other one has it, or two persons allowed it."""
    if not account.holders or distributor_id in account.holders:
        return True
    permit = account.permit_of(distributor_id)
    return permit is not None and len(permit.approved_by) >= APPROVALS


def _refuse_duplicate(state: State, payee: Payee, command: SetMethod, now: datetime) -> Answer:
    """Remember the account, so that two persons can allow it."""
    asked = payee.duplicate
    if asked is None or asked.fingerprint != command.fingerprint:
        state = state.with_payee(replace(payee, duplicate=Duplicate(command.fingerprint, command.by, now)))
    detail = "method.destination: another distributor has this account; two other persons may allow it."
    return refuse(state, payee.distributor_id, "duplicate_destination", detail)


def _has(persons: tuple[str, ...], person: str) -> bool:
    return person.casefold() in map(str.casefold, persons)
