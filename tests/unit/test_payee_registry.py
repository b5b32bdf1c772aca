"""Payout methods: cooling-off, accounts of several distributors, and accounts with a fault."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.payees.v1 import AllowDuplicate, PayeeChanged, RemoveMethod, WaiveCoolingOff
from contracts.payouts.faults import ACCOUNT_FAULTS, FAULTS
from contracts.payouts.v1 import PayoutFailed, PayoutReturned
from contracts.wire.decision import Decision
from tests.builders import NOW
from tests.unit.payees import (
    ACCOUNT,
    ANOTHER,
    HOUR,
    OTHER,
    PAYEE,
    a_failure,
    a_set,
    after,
    an_identity,
    handled,
    reason_of,
    sealed,
)
from workers.payee_registry.model import State

COOLED_OFF = NOW + timedelta(hours=72)


def changed(decision: Decision[State]) -> PayeeChanged:
    event = decision.publish[-1]
    assert isinstance(event, PayeeChanged)
    return event


def an_allowance(by: str, *, of: int = PAYEE, own: int | None = None, **fields: Any) -> AllowDuplicate:
    return AllowDuplicate(distributor_id=of, fingerprint=ACCOUNT, by=by, by_distributor_id=own, **fields)


def a_waiver(by: str, *, method_id: str = "m-b", own: int | None = None, **fields: Any) -> WaiveCoolingOff:
    return WaiveCoolingOff(distributor_id=PAYEE, method_id=method_id, by=by, by_distributor_id=own, **fields)


def refused_as_duplicate() -> State:
    """The payee wants the account of another distributor."""
    return handled(after(a_set(of=OTHER)), a_set()).state


def test_a_first_account_is_used_at_once() -> None:
    event = changed(handled(State(), a_set()))

    assert (event.version, event.usable, event.usable_from, event.reason) == (1, True, None, None)
    assert event.method is not None
    assert event.method == a_set().method


def test_edge_07_an_account_that_replaces_another_waits_72_hours() -> None:
    event = changed(handled(after(a_set()), a_set(ANOTHER)))

    assert (event.version, event.usable, event.usable_from) == (2, True, COOLED_OFF)


def test_a_removed_account_is_replaced_all_the_same() -> None:
    state = after(a_set(), RemoveMethod(distributor_id=PAYEE, by="ann"))

    assert changed(handled(state, a_set(ANOTHER))).usable_from == COOLED_OFF
    assert changed(handled(state, a_set())).usable_from is None


def test_setting_a_new_account_again_does_not_end_its_cooling_off() -> None:
    state = after(a_set(), a_set(ANOTHER), RemoveMethod(distributor_id=PAYEE, by="ann"))

    assert changed(handled(state, a_set(ANOTHER), NOW + HOUR)).usable_from == COOLED_OFF


def test_another_name_on_the_same_account_does_not_wait() -> None:
    event = changed(handled(after(a_set()), a_set(method_id="m-2", holder=sealed("bob"))))

    assert (event.usable_from, event.version) == (None, 2)


def test_the_same_method_again_changes_nothing() -> None:
    decision = handled(after(a_set()), a_set(method_id="m-2"))

    assert (decision.outcome, decision.publish) == ("unchanged", ())


def test_a_method_id_is_used_once() -> None:
    assert reason_of(handled(after(a_set()), a_set(ANOTHER, method_id="m-a"))) == "conflict"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"rail": "pigeon"}, "unknown_rail"), ({"currency": "CNY"}, "currency_not_supported")],
)
def test_a_method_that_no_rail_can_pay_is_refused(fields: dict[str, Any], reason: str) -> None:
    assert reason_of(handled(State(), a_set(**fields))) == reason


def test_edge_06_without_a_method_the_reason_is_stated() -> None:
    event = changed(handled(after(a_set()), RemoveMethod(distributor_id=PAYEE, by="ann")))

    assert (event.usable, event.reason, event.method) == (False, "no_payout_method", None)


def test_nothing_to_remove_changes_nothing() -> None:
    assert handled(State(), RemoveMethod(distributor_id=PAYEE, by="ann")).outcome == "unchanged"


class TestDuplicate:
    def test_an_account_of_another_distributor_is_refused(self) -> None:
        decision = handled(after(a_set(of=OTHER)), a_set())

        assert reason_of(decision) == "duplicate_destination"
        assert decision.state.payee(PAYEE).method is None

    def test_it_is_free_once_the_other_has_another_account(self) -> None:
        state = after(a_set(of=OTHER), a_set(ANOTHER, of=OTHER))

        assert handled(state, a_set()).outcome == "method_set"

    def test_two_other_persons_allow_it(self) -> None:
        state = refused_as_duplicate()
        first = handled(state, an_allowance("bob"))
        assert (first.outcome, first.publish[0].missing) == ("approved", 1)  # type: ignore[attr-defined]
        assert reason_of(handled(first.state, a_set())) == "duplicate_destination"
        assert handled(first.state, an_allowance("BOB")).outcome == "duplicate"
        second = handled(first.state, an_allowance("cai"))
        assert second.outcome == "allowed"
        assert handled(second.state, an_allowance("cai")).outcome == "duplicate"
        decision = handled(second.state, a_set())
        assert decision.outcome == "method_set"
        assert decision.state.account(ACCOUNT).holders == (OTHER, PAYEE)
        # Who had it first may change the name on it.
        assert handled(decision.state, a_set(of=OTHER, method_id="m-2", holder=sealed("x"))).outcome == "method_set"

    def test_the_asker_and_those_who_are_paid_cannot_allow_it(self) -> None:
        state = refused_as_duplicate()

        assert reason_of(handled(state, an_allowance("Ann"))) == "same_person"
        assert reason_of(handled(state, an_allowance("bob", own=PAYEE))) == "payee_approves_own"
        assert reason_of(handled(state, an_allowance("bob", own=OTHER))) == "payee_approves_own"

    def test_who_allowed_it_meanwhile_must_be_one_of_whom_the_other_is_independent(self) -> None:
        first = handled(refused_as_duplicate(), an_allowance("bob", independent_of=("ann",)))
        overtaken = an_allowance("cai", independent_of=("ann",))

        assert first.outcome == "approved"
        assert reason_of(handled(first.state, overtaken)) == "changed_meanwhile"
        assert handled(first.state, an_allowance("cai", independent_of=("ann", "bob"))).outcome == "allowed"

    def test_only_what_was_refused_can_be_allowed(self) -> None:
        assert reason_of(handled(after(a_set()), an_allowance("bob"))) == "nothing_to_allow"

    def test_a_repeated_refusal_keeps_the_first_asker(self) -> None:
        state = handled(refused_as_duplicate(), a_set(by="bob")).state

        assert state.payee(PAYEE).duplicate.refused_by == "ann"


class TestWaiver:
    state = after(a_set(), a_set(ANOTHER))

    def test_edge_07_two_other_persons_end_the_cooling_off(self) -> None:
        first = handled(self.state, a_waiver("bob"))
        assert first.outcome == "approved"
        assert handled(first.state, a_waiver("bob")).outcome == "duplicate"
        second = handled(first.state, a_waiver("cai"), NOW + HOUR)
        assert (second.outcome, changed(second).usable_from) == ("waived", NOW + HOUR)
        assert handled(second.state, a_waiver("cai"), NOW + HOUR).outcome == "duplicate"

    def test_who_waived_it_meanwhile_must_be_one_of_whom_the_other_is_independent(self) -> None:
        first = handled(self.state, a_waiver("bob", independent_of=("ann",)))

        assert first.outcome == "approved"
        assert reason_of(handled(first.state, a_waiver("cai", independent_of=("ann",)))) == "changed_meanwhile"
        assert handled(first.state, a_waiver("cai", independent_of=("ann", "bob"))).outcome == "waived"

    def test_a_waiver_is_of_one_method(self) -> None:
        state = handled(self.state, a_waiver("bob")).state
        state = handled(state, a_set("c" * 64)).state

        assert reason_of(handled(state, a_waiver("cai"))) == "unknown_method"
        assert state.payee(PAYEE).waived_by == ()

    def test_edge_21_neither_who_set_it_nor_the_payee_waives(self) -> None:
        assert reason_of(handled(self.state, a_waiver("ann"))) == "same_person"
        assert reason_of(handled(self.state, a_waiver("bob", own=PAYEE))) == "payee_approves_own"

    def test_nothing_to_waive(self) -> None:
        assert reason_of(handled(self.state, a_waiver("bob"), COOLED_OFF)) == "not_cooling_off"
        assert reason_of(handled(after(a_set()), a_waiver("bob", method_id="m-a"))) == "not_cooling_off"
        assert reason_of(handled(State(), a_waiver("bob"))) == "unknown_method"


class TestFault:
    @pytest.mark.parametrize("kind", [PayoutFailed, PayoutReturned])
    def test_edge_08_a_fault_of_the_account_switches_the_method_off(self, kind: Any) -> None:
        event = changed(handled(after(a_set()), a_failure(kind)))

        assert (event.usable, event.reason, event.version) == (False, "method_failed", 2)

    @pytest.mark.parametrize("code", sorted(FAULTS - ACCOUNT_FAULTS))
    def test_edge_32_and_33_other_faults_leave_it(self, code: str) -> None:
        assert handled(after(a_set()), a_failure(code=code)).outcome == "not_the_account"

    def test_a_method_that_replaced_it_stays(self) -> None:
        assert handled(after(a_set(), a_set(ANOTHER)), a_failure()).outcome == "method_replaced"
        assert handled(State(), a_failure()).outcome == "method_replaced"

    def test_without_the_method_the_time_decides(self) -> None:
        state = after(a_set())

        assert handled(state, a_failure(method_id=None)).outcome == "switched_off"
        assert handled(state, a_failure(method_id=None, at=NOW - HOUR)).outcome == "method_replaced"

    def test_a_second_fault_changes_nothing(self) -> None:
        assert handled(after(a_set(), a_failure()), a_failure()).outcome == "duplicate"

    def test_the_same_account_set_again_is_used_again(self) -> None:
        event = changed(handled(after(a_set(), a_failure()), a_set(method_id="m-2")))

        assert (event.usable, event.usable_from) == (True, None)


@given(
    st.lists(
        st.sampled_from(
            [
                *(a_set(account, of=of, by=by) for account in (ACCOUNT, ANOTHER) for of in (2, 3) for by in ("x", "y")),
                *(RemoveMethod(distributor_id=of, by="x") for of in (2, 3)),
                *(an_allowance(by, of=of) for by in ("x", "y", "z") for of in (2, 3)),
                a_failure(),
                an_identity(),
            ]
        ),
        max_size=25,
    )
)
def test_versions_grow_by_one_and_accounts_have_their_holders(payloads: list[Any]) -> None:
    state, versions = State(), {PAYEE: 0, OTHER: 0}
    for payload in payloads:
        decision = handled(state, payload)
        state = decision.state
        for event in decision.publish:
            if isinstance(event, PayeeChanged):
                versions[event.distributor_id] += 1
                assert event.version == versions[event.distributor_id]
    for account in state.accounts.values():
        have = {
            one.distributor_id for one in state.payees.values() if one.method and one.fingerprint == account.fingerprint
        }
        assert set(account.holders) == have
        allowed = {one.distributor_id for one in account.permits if len(set(one.approved_by)) >= 2}
        assert len(have - allowed) <= 1
