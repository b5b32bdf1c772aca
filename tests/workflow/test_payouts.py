"""From commissions to the bank and back, with all workers; and what was changed by hand is found by `verify`."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from contracts.commissions.v1 import CommissionReleased, Share
from contracts.payouts.v1 import ConfirmResolution, HoldPayouts, ResolvePayout
from contracts.payouts.view import BATCHES, PAYEES, PAYOUTS, REPORTS
from contracts.settlement.view import ACCOUNTS, STATEMENTS
from contracts.wire.answer import Answer
from infra.auditing.audit import Report
from infra.operators.payable import payable as handed_over
from infra.ports.store import Document
from infra.runtime import roster
from tests.builders import NOW
from tests.payout_story import a_method, a_payee, a_proposal, a_report, an_approval
from tests.workflow.system import System
from workers.payouts import repository
from workers.payouts.attempts import key_of

FIRST, SECOND = 2, 3
ID, OTHER = f"default/2026-10/{FIRST}/EUR", f"default/2026-10/{SECOND}/EUR"
CLOSED_AT = datetime(2026, 11, 2, 10, tzinfo=UTC)
A_MINUTE = timedelta(minutes=1)


async def do(system: System, *payloads: Any) -> None:
    for payload in payloads:
        await system.publish(payload)
        await system.run_until_idle()


async def tick(system: System, after: timedelta = A_MINUTE) -> None:
    await system.tick(system.time.now() + after)
    await system.run_until_idle()


@pytest.fixture
async def payable() -> System:
    """Two statements of October, of 42.00 EUR each, for an account at the bank and one that persons pay."""
    system = System([roster.load(name) for name in ("settlement", "payouts", "payout_delivery")])
    for distributor in (FIRST, SECOND):
        share = Share(distributor_id=distributor, amount=Decimal("42.00"))
        released = CommissionReleased(
            shop_id="shop-1",
            order_id=f"order-{distributor}",
            currency="EUR",
            total=share.amount,
            shares=(share,),
            released_at=NOW - timedelta(days=20),
        )
        await do(system, released)
    await do(system, a_payee(FIRST), a_payee(SECOND, method=a_method("manual")))
    await system.tick(CLOSED_AT)
    await system.run_until_idle()
    return system


@pytest.fixture
async def sent(payable: System) -> System:
    """Both are approved, sent, and accepted."""
    await do(payable, a_proposal())
    await do(payable, an_approval(payable.document(BATCHES, "b-1")["digest"]))
    await tick(payable)
    return payable


def states(system: System) -> dict[str, str]:
    return {document["_id"]: document["state"] for document in system.documents(PAYOUTS)}


def money(system: System, distributor: int) -> dict[str, int]:
    account = system.document(ACCOUNTS, f"default/{distributor}/EUR")
    return {name: account[f"{name}_minor"] for name in ("payable", "in_payout", "paid")}


async def faults(system: System) -> list[str]:
    """What the audits of payouts find, and find again among the subjects of it."""
    first = Report(system.time.now())
    for audit in roster.load("payouts").audits:
        await audit(system.store, first)
    again = first.recheck(system.time.now())
    for audit in roster.load("payouts").audits:
        await audit(system.store, again)
    assert {each.about for each in again.breaches} == {each.about for each in first.breaches}
    return [f"{each.invariant} {each.detail}" for each in first.breaches]


async def test_money_moves_with_the_payout(sent: System) -> None:
    assert states(sent) == {ID: "sent", OTHER: "sent"}
    assert sent.rail.arrivals == [key_of(ID, 1), key_of(OTHER, 1)]
    assert money(sent, FIRST) == {"payable": 0, "in_payout": 4200, "paid": 0}

    await do(sent, a_report("paid", payout_id=ID))
    assert (states(sent)[ID], money(sent, FIRST)) == ("paid", {"payable": 0, "in_payout": 0, "paid": 4200})

    await do(sent, a_report("returned", "entry-2", payout_id=ID, code="account_closed"))
    assert (states(sent)[ID], money(sent, FIRST)) == ("returned", {"payable": 0, "in_payout": 0, "paid": 0})
    assert await faults(sent) == []


async def test_two_persons_answer_for_what_persons_pay(sent: System) -> None:
    resolve = ResolvePayout(payout_id=OTHER, attempt=1, outcome="paid", evidence="Line 7714", by="ann")
    await do(sent, resolve, ConfirmResolution(payout_id=OTHER, attempt=1, outcome="paid", by="bob"))

    assert (states(sent)[OTHER], money(sent, SECOND)["paid"]) == ("paid", 4200)
    assert await faults(sent) == []


async def test_a_bank_that_never_answers_is_asked_again_until_it_does(payable: System) -> None:
    unknown = Answer("unknown", "deadline", "No answer.", NOW)
    payable.rail.answers[ID] = unknown
    await do(payable, a_proposal(statement_ids=(ID,)))
    await do(payable, an_approval(payable.document(BATCHES, "b-1")["digest"]))
    await tick(payable)
    assert states(payable)[ID] == "doubtful"

    payable.rail.answers[ID] = Answer("done", "absent", "Never seen.", NOW)
    await tick(payable)
    payable.rail.answers[ID] = Answer("done", "paid", "Paid.", NOW)
    await tick(payable)

    assert (states(payable)[ID], payable.rail.arrivals) == ("paid", [key_of(ID, 1)] * 2)
    assert await faults(payable) == []


async def test_more_than_one_message_takes_are_all_sent_at_one_tick(
    payable: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "DUE_MAX", 1)
    await do(payable, a_proposal())
    await do(payable, an_approval(payable.document(BATCHES, "b-1")["digest"]))
    await tick(payable)

    assert set(states(payable).values()) == {"sent"}


async def test_a_batch_of_a_period_names_it(payable: System) -> None:
    await do(payable, a_proposal(period="2026-09"), a_proposal("b-2", period="2026-10"))

    assert [batch["_id"] for batch in payable.documents(BATCHES)] == ["b-2"]


def change_by_hand(system: System, collection: str, key: Any, change: Document) -> None:
    """Set these fields of a stored document; a path leads into a part of it."""
    table, document = system.store.table(collection), deepcopy(system.document(collection, key))
    for path, value in change.items():
        part: Any = document
        *heads, last = path.split(".")
        for head in heads:
            part = part[int(head) if head.isdigit() else head]
        part[last] = value
    table.remove(key)
    table.put({name: value for name, value in document.items() if value is not None})


@pytest.mark.parametrize(
    ("collection", "key", "change", "found"),
    [
        (PAYOUTS, ID, {"payable_minor": 4300}, "I15 pays 43.00 to 2; its statement says (4200, 2)"),
        (PAYOUTS, ID, {"distributor_id": 9}, "I15 pays 42.00 to 9"),
        (PAYOUTS, ID, {"attempts": []}, "I15 is sent with 0 attempts"),
        (PAYOUTS, ID, {"attempts.0.number": 7}, "I15 attempt 1 has the number 7 or another key"),
        (PAYOUTS, ID, {"attempts.0.key": "0" * 32}, "I15 attempt 1 has the number 1 or another key"),
        (PAYOUTS, ID, {"attempts.0.method.method_id": "m-9"}, "I16 default/2026-10/2/EUR attempt 1 goes to another"),
        (PAYOUTS, ID, {"state": "paid"}, "I15 is paid, and no report says so"),
        (PAYOUTS, ID, {"state": "returned"}, "I15 is returned, and no report says so"),
        (PAYOUTS, ID, {"due_at": None}, "I15 is sent, and no one asks what became of it"),
        (PAYOUTS, ID, {"plan.amount_minor": 4300}, "I16 default/2026-10/2/EUR is sent, and is not a line of"),
        (PAYEES, FIRST, {"attempts": 2}, "I16 counts 2 attempts, there are 1"),
        (
            PAYEES,
            FIRST,
            {"hold": {"reason": "x", "since": NOW, "attempts": 0}},
            "I16 something was begun while on hold",
        ),
        (BATCHES, "b-1", {"digest": "0" * 64}, "I16 the lines are not those that the digest names"),
        (BATCHES, "b-1", {"approved": [{"by": "ANN", "at": NOW}]}, "I16 proposed by ann, approved by ANN"),
        (BATCHES, "b-1", {"approvals": 2}, "I16 1 of 2 persons approved it"),
        (BATCHES, "b-1", {"state": "proposed"}, "I16 default/2026-10/2/EUR is sent, and is not a line of"),
    ],
)
async def test_what_was_changed_by_hand_is_found(
    sent: System, collection: str, key: Any, change: Document, found: str
) -> None:
    change_by_hand(sent, collection, key, change)

    assert any(fault.startswith(found) for fault in await faults(sent)), await faults(sent)


async def test_two_live_attempts_are_found(sent: System) -> None:
    first = sent.document(PAYOUTS, ID)["attempts"][0]
    second = {**first, "number": 2, "key": key_of(ID, 2)}
    change_by_hand(sent, PAYOUTS, ID, {"attempts": [first, second]})

    assert "I15 attempt 1 is not known to have failed, and there is another one" in await faults(sent)


async def test_a_report_that_counted_twice_is_found(sent: System) -> None:
    await do(sent, a_report("paid", payout_id=ID), a_report("paid", "entry-2", payout_id=ID))
    change_by_hand(sent, REPORTS, "iso20022/entry-2", {"effect": "applied"})

    assert "I15 2 reports of attempt 1 count as paid" in await faults(sent)


async def test_a_report_of_another_amount_that_counted_is_found(sent: System) -> None:
    await do(sent, a_report("paid", payout_id=ID))
    change_by_hand(sent, REPORTS, "iso20022/entry-1", {"amount_minor": 4300})

    assert "I15 iso20022/entry-1 counts as paid with another amount" in await faults(sent)


async def test_a_payout_that_forgot_its_payment_is_found(sent: System) -> None:
    await do(sent, a_report("paid", payout_id=ID))
    for state in ("failed", "sent"):
        change_by_hand(sent, PAYOUTS, ID, {"state": state, "due_at": NOW})
        assert f"I15 is {state}, and was paid" in await faults(sent)


async def test_a_payable_statement_without_a_payout_is_found_after_a_day(sent: System) -> None:
    sent.store.table(PAYOUTS).remove(OTHER)
    assert not any("there is no payout" in fault for fault in await faults(sent))

    sent.time.advance_to(CLOSED_AT + timedelta(days=2))

    assert "I15 its statement is payable, and there is no payout" in await faults(sent)
    assert sent.document(STATEMENTS, OTHER)["outcome"] == "payable"


async def test_what_was_payable_before_payouts_ran_is_handed_over_once(payable: System) -> None:
    before = payable.documents(PAYOUTS)
    for payout in before:
        payable.store.table(PAYOUTS).remove(payout["_id"])
    for _ in range(2):
        for message in [message async for message in handed_over(payable.store)]:
            await payable.send(message)
        await payable.run_until_idle()

    kept = [{**payout, "payable_at": None, "queued_at": None} for payout in payable.documents(PAYOUTS)]
    assert kept == [{**payout, "payable_at": None, "queued_at": None} for payout in before]


async def test_a_hold_is_no_fault_of_what_was_sent_before(sent: System) -> None:
    await do(sent, HoldPayouts(distributor_id=FIRST, reason="under_review", by="bob"))

    assert await faults(sent) == []
