"""Identities: submitted by one person, decided by another."""

from __future__ import annotations

from contracts.wire.decision import Decision
from tests.builders import NOW
from tests.unit.payees import HOUR, PAYEE, a_decision, a_set, after, an_identity, handled, reason_of, sealed
from workers.payee_registry.model import State


def identity_of(decision: Decision[State]) -> str:
    return decision.publish[-1].identity  # type: ignore[attr-defined]


def test_an_identity_waits_for_another_person() -> None:
    submitted = handled(after(a_set()), an_identity())

    assert identity_of(submitted) == "pending"
    decided = handled(submitted.state, a_decision(), NOW + HOUR)
    assert (identity_of(decided), decided.publish[0].version) == ("verified", 3)  # type: ignore[attr-defined]
    assert decided.state.payee(PAYEE).identity.decided_at == NOW + HOUR


def test_a_decision_holds_for_what_was_submitted_only() -> None:
    verified = after(an_identity(), a_decision())

    assert handled(verified, an_identity("i-2")).outcome == "unchanged"
    assert identity_of(handled(verified, an_identity("i-2", legal_name=sealed("else")))) == "pending"
    assert reason_of(handled(verified, an_identity(legal_name=sealed("else")))) == "conflict"


def test_an_identity_may_be_rejected_and_expire() -> None:
    rejected = handled(after(an_identity()), a_decision("rejected", reason="unreadable"))

    assert identity_of(rejected) == "rejected"
    assert handled(rejected.state, a_decision("rejected", reason="unreadable")).outcome == "duplicate"
    assert identity_of(handled(after(an_identity(), a_decision()), a_decision("expired"))) == "expired"


def test_edge_21_neither_the_submitter_nor_the_payee_decides() -> None:
    assert reason_of(handled(after(an_identity()), a_decision(by="Ann"))) == "same_person"
    assert reason_of(handled(after(an_identity()), a_decision(by_distributor_id=PAYEE))) == "payee_approves_own"


def test_who_submitted_it_meanwhile_must_be_one_of_whom_the_other_is_independent() -> None:
    assert reason_of(handled(after(an_identity()), a_decision(independent_of=("cai",)))) == "changed_meanwhile"
    assert identity_of(handled(after(an_identity()), a_decision(independent_of=("ann",)))) == "verified"


def test_only_the_last_statement_can_be_decided() -> None:
    assert reason_of(handled(State(), a_decision())) == "unknown_identity"
    assert reason_of(handled(after(an_identity()), a_decision(identity_id="i-0"))) == "unknown_identity"
