"""The rules of identities: who a payee stated to be, and what another person decided about it."""

from __future__ import annotations

from dataclasses import replace

from contracts.approvals import unchecked_detail
from contracts.payees.v1 import DecideIdentity, SubmitIdentity
from contracts.payees.view import Identity
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from workers.payee_registry.announcing import Answer, change, not_another_person, refuse
from workers.payee_registry.model import State


def submit_identity(state: State, message: Message[SubmitIdentity]) -> Answer:
    """State who the payee is. What was decided about an earlier statement does not hold for another one."""
    command = message.data
    payee, given = state.payee(command.distributor_id), _identity_of(message)
    known = payee.identity
    if known is not None and _same(known, given):
        return Decision(state, outcome="unchanged")
    if known is not None and known.identity_id == given.identity_id:
        detail = f"identity_id: {known.identity_id} is another statement of this payee; choose another id."
        return refuse(state, payee.distributor_id, "conflict", detail)
    return change(state, replace(payee, identity=given), "identity_submitted")


def decide_identity(state: State, message: Message[DecideIdentity]) -> Answer:
    """Another person states whether it is true: neither who submitted it, nor the payee."""
    command = message.data
    payee = state.payee(command.distributor_id)
    identity = payee.identity
    if identity is None or identity.identity_id != command.identity_id:
        detail = f"identity_id: the payee has not submitted {command.identity_id}; look at what was submitted last."
        return refuse(state, payee.distributor_id, "unknown_identity", detail)
    paid = (payee.distributor_id,)
    if refusal := not_another_person(identity.submitted_by, command.by, paid, command.by_distributor_id):
        return refuse(state, payee.distributor_id, *refusal)
    if (identity.state, identity.reason) == (command.state, command.reason):
        return Decision(state, outcome="duplicate")
    if unchecked := unchecked_detail(command.independent_of, [identity.submitted_by], command.by):
        return refuse(state, payee.distributor_id, "changed_meanwhile", unchecked)
    decided = replace(
        identity, state=command.state, reason=command.reason, decided_by=command.by, decided_at=message.received_at
    )
    return change(state, replace(payee, identity=decided), "identity_decided")


def _identity_of(message: Message[SubmitIdentity]) -> Identity:
    command = message.data
    return Identity(
        identity_id=command.identity_id,
        kind=command.kind,
        legal_name=command.legal_name,
        id_type=command.id_type,
        id_number=command.id_number,
        id_hint=command.id_hint,
        country=command.country,
        tax_residence=command.tax_residence,
        tax_form=command.tax_form,
        tin=command.tin,
        documents=command.documents,
        submitted_by=command.by,
        submitted_at=message.received_at,
    )


def _same(known: Identity, given: Identity) -> bool:
    """Whether it states the same, whatever was decided about it. Equal values of one payee are sealed alike."""
    before = replace(
        known,
        identity_id=given.identity_id,
        submitted_by=given.submitted_by,
        submitted_at=given.submitted_at,
        state=given.state,
        reason=None,
        decided_by=None,
        decided_at=None,
    )
    return before == given
