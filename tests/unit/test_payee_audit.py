"""I15 finds what is not sealed, and what other persons did not allow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from contracts.payees.v1 import AllowDuplicate, RemoveMethod, WaiveCoolingOff
from contracts.payees.view import ACCOUNTS, PAYEES, Account, Payee, Permit
from infra.auditing.audit import Report
from infra.runtime.repository import Codec
from tests.builders import NOW
from tests.unit.payees import ACCOUNT, ANOTHER, OTHER, PAYEE, a_decision, a_set, an_identity, handled
from tests.workflow.in_memory import InMemoryStore
from workers.payee_registry.audit import audit
from workers.payee_registry.model import State
from workers.payee_registry.repository import PayeeRepository

_payees = Codec(Payee, key="distributor_id")
_accounts = Codec(Account, key="fingerprint")


def a_state() -> State:
    """Everything that takes other persons."""
    state = State()
    for payload in (
        a_set(of=OTHER),
        a_set(),
        *(AllowDuplicate(distributor_id=PAYEE, fingerprint=ACCOUNT, by=by) for by in ("bob", "cai")),
        a_set(),
        a_set(ANOTHER),
        *(WaiveCoolingOff(distributor_id=PAYEE, method_id="m-b", by=by) for by in ("bob", "cai")),
        a_set(method_id="m-c"),
        a_set(ANOTHER, of=4),
        *(WaiveCoolingOff(distributor_id=PAYEE, method_id="m-c", by=by) for by in ("bob", "cai")),
        an_identity(tin="sealed-2:payee-2-1:AAAA"),
        a_decision(),
        RemoveMethod(distributor_id=4, by="ann"),
    ):
        state = handled(state, payload).state
    return state


async def breaches_of(state: State) -> list[str]:
    store = InMemoryStore(PayeeRepository.collections)
    for payee in state.payees.values():
        store.table(PAYEES).put(_payees.to_document(payee))
    for account in state.accounts.values():
        store.table(ACCOUNTS).put(_accounts.to_document(account))
    report = Report(NOW)
    await audit(store, report)
    assert report.figures["I15"]["payees"] == len(state.payees)
    return [f"{breach.about}: {breach.detail}" for breach in report.breaches]


async def test_what_the_rules_leave_has_no_breach() -> None:
    state = a_state()

    assert state.account(ACCOUNT).holders == (OTHER, PAYEE)
    assert state.payee(PAYEE).waived_by == ("bob", "cai")
    assert await breaches_of(state) == []


def _method(state: State, **fields: Any) -> State:
    payee = state.payee(PAYEE)
    assert payee.method is not None
    return state.with_payee(replace(payee, method=replace(payee.method, **fields)))


def _identity(state: State, **fields: Any) -> State:
    payee = state.payee(PAYEE)
    assert payee.identity is not None
    return state.with_payee(replace(payee, identity=replace(payee.identity, **fields)))


def _permit(state: State, *approved_by: str) -> State:
    permit = Permit(PAYEE, "ann", approved_by)
    return state.with_account(replace(state.account(ACCOUNT), permits=(permit,)))


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        (lambda state: _method(state, destination="DE89370400440532013000"), "destination is not sealed"),
        (lambda state: _method(state, holder="Ann Weber"), "holder is not sealed"),
        (lambda state: _identity(state, id_number="G12345678"), "id_number is not sealed"),
        (lambda state: _identity(state, legal_name="Li Na"), "legal_name is not sealed"),
        (lambda state: _identity(state, tin="536904399"), "tin is not sealed"),
        (lambda state: _identity(state, decided_by="ann"), "submitted by ann and decided by ann"),
        (lambda state: _identity(state, decided_by=None), "decided by None"),
        (lambda state: state.with_payee(replace(state.payee(PAYEE), waived_by=("bob", "Bob"))), "waived by bob, Bob"),
        (lambda state: state.with_payee(replace(state.payee(PAYEE), version=1)), "version 1 is less"),
        (lambda state: state.with_payee(replace(state.payee(PAYEE), method=None)), "it has no method"),
        (lambda state: state.with_account(Account(ACCOUNT, (OTHER,))), "it has a method"),
        (lambda state: _permit(state, "bob"), "two persons did not allow it"),
        (lambda state: _permit(state, "bob", "BOB"), "two persons did not allow it"),
        (lambda state: _permit(state, "bob", "Ann"), "two persons did not allow it"),
        (lambda state: state.with_account(Account(ANOTHER, (9, 9))), "named twice"),
    ],
)
async def test_a_planted_breach_is_found(planted: Any, found: str) -> None:
    breaches = await breaches_of(planted(a_state()))

    assert any(found in breach for breach in breaches), breaches
