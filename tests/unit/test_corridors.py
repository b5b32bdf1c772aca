"""Corridors: two persons open one, one closes it, and a new one replaces the old one of its countries."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from contracts.corridors.v1 import (
    ApproveCorridor,
    CloseCorridor,
    CorridorClosed,
    CorridorOpened,
    CorridorProposed,
    CorridorRefused,
    DefineCorridor,
)
from contracts.rules.plans import AmountIn
from contracts.wire.decision import Decision, NotYet
from tests.builders import NOW, message
from workers.payouts import corridors
from workers.payouts.model import State


def define(state: State, corridor_id: str = "c-1", **fields: Any) -> Any:
    usual: dict[str, Any] = {"rail": "paypal", "from_country": "DE", "to_country": "US", "currencies": ("USD",)}
    command = DefineCorridor(corridor_id=corridor_id, proposed_by="ann", **{**usual, **fields})
    return corridors.define_corridor(state, message(command))


def approve(state: State, corridor_id: str = "c-1", by: str = "bob", digest: str | None = None, **fields: Any) -> Any:
    known = state.corridors.get(corridor_id)
    digest = digest or (known.digest if known else "0" * 64)
    command = ApproveCorridor(corridor_id=corridor_id, digest=digest, approved_by=by, **fields)
    return corridors.approve_corridor(state, message(command))


def close(state: State, corridor_id: str = "c-1") -> Any:
    command = CloseCorridor(corridor_id=corridor_id, reason="policy", closed_by="ann")
    return corridors.close_corridor(state, message(command))


PROPOSED: State = define(State()).state
OPEN: State = approve(PROPOSED).state


def reason_of(answer: Any) -> str:
    [refused] = answer.publish
    assert isinstance(refused, CorridorRefused)
    return refused.reason


def test_a_corridor_is_stored_with_its_limits() -> None:
    limit = (AmountIn(currency="USD", amount=Decimal("10.50")),)
    answer = define(State(), limit_per_payment=limit, limit_per_year=limit, os_user="root")

    known = answer.state.corridors["c-1"]
    assert (known.limit_per_payment, known.limit_per_year, known.state) == ({"USD": 1050}, {"USD": 1050}, "proposed")
    event = CorridorProposed(
        corridor_id="c-1",
        rail="paypal",
        from_country="DE",
        to_country="US",
        currencies=("USD",),
        digest=known.digest,
        proposed_by="ann",
        os_user="root",
    )
    assert (answer.publish, answer.outcome) == ((event,), "proposed")


@pytest.mark.parametrize("field", ["limit_per_payment", "limit_per_year"])
def test_a_limit_that_its_currency_cannot_express_is_refused(field: str) -> None:
    limit = (AmountIn(currency="JPY", amount=Decimal("0.5")),)
    fields: dict[str, Any] = {field: limit}
    answer = define(State(), **fields)

    assert reason_of(answer) == "amount_precision"
    assert answer.publish[0].detail.startswith(f"{field}: ")


def test_a_repeat_changes_nothing_and_another_content_is_refused() -> None:
    assert define(PROPOSED) == Decision(PROPOSED, outcome="duplicate")
    assert reason_of(define(PROPOSED, to_country="GB")) == "conflict"


def test_a_second_person_opens_it() -> None:
    answer = approve(PROPOSED)

    known = answer.state.corridors["c-1"]
    assert (known.state, known.approved_by, known.approved_at) == ("open", "bob", NOW)
    event = CorridorOpened(
        corridor_id="c-1", rail="paypal", from_country="DE", to_country="US", digest=known.digest, approved_by="bob"
    )
    assert (answer.publish, answer.outcome) == ((event,), "opened")
    assert approve(OPEN, by="chen") == Decision(OPEN, outcome="duplicate")


@pytest.mark.parametrize("by", ["ann", "Ann"])
def test_the_proposer_cannot_open_it(by: str) -> None:
    assert reason_of(approve(PROPOSED, by=by)) == "same_person"


def test_who_defined_it_meanwhile_must_be_one_of_whom_the_approver_is_independent() -> None:
    assert reason_of(approve(PROPOSED, independent_of=("chen",))) == "changed_meanwhile"
    assert approve(PROPOSED, independent_of=("ann",)).outcome == "opened"


def test_another_digest_is_refused() -> None:
    assert reason_of(approve(PROPOSED, digest="0" * 64)) == "digest_mismatch"


def test_it_replaces_the_open_one_of_the_same_rail_and_countries() -> None:
    state = define(OPEN, "c-2", currencies=("USD", "EUR")).state
    answer = approve(define(state, "c-3", to_country="GB").state, "c-2")

    assert answer.publish[0].replaced == "c-1"
    known = answer.state.corridors
    assert (known["c-1"].state, known["c-1"].closed_by, known["c-1"].closed_at) == ("replaced", None, NOW)
    assert approve(answer.state, "c-3").publish[0].replaced is None


def test_one_person_closes_it() -> None:
    answer = close(OPEN)

    assert answer.publish == (CorridorClosed(corridor_id="c-1", reason="policy", closed_by="ann"),)
    assert answer.state.corridors["c-1"].state == "closed"
    assert close(answer.state) == Decision(answer.state, outcome="duplicate")
    assert reason_of(approve(answer.state)) == "already_decided"


def test_a_closed_one_is_replaced_too_and_a_proposal_is_rejected() -> None:
    state = define(close(OPEN).state, "c-2").state
    replaced = approve(state, "c-2").state.corridors["c-1"]
    assert (replaced.state, replaced.closed_by, replaced.close_reason) == ("replaced", "ann", "policy")
    rejected = close(PROPOSED).state
    assert rejected.corridors["c-1"].state == "rejected"
    assert reason_of(approve(rejected)) == "already_decided"


def test_a_decision_that_arrives_first_is_retried() -> None:
    for answer in (approve(State()), close(State())):
        assert isinstance(answer, NotYet)
        assert (answer.reason, reason_of(answer.otherwise)) == ("unknown_corridor", "unknown_corridor")
