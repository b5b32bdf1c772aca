"""The rail `paypal` keeps the promises of every rail, and those of Payouts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.bank.bank import Notice
from tests.bank.scenarios import Scenario
from tests.bank.world import BankWorld, attempt_due, check_due
from tests.connected.rails_behaviour import RailBehaviour, world
from tests.connected.rails_callbacks import CallbackBehaviour

__all__ = ["world"]


class TestPayPal(RailBehaviour):
    rail = "paypal"
    asked_by = "reference"
    refused_with = "invalid_order"


class TestPayPalCallbacks(CallbackBehaviour):
    rail = "paypal"

    async def test_edge_14_notices_that_overtake_each_other_are_all_reports(self, world: BankWorld) -> None:
        key, notices = await self.notices(world, Scenario(ends="returned", notices="reordered"))
        reports = [self.reports(world, notice)[0] for notice in notices]
        assert [(report.key, report.outcome) for report in reports] == [(key, "returned"), (key, "paid")]
        assert len({report.report_id for report in reports}) == 2


@pytest.mark.parametrize(("currency", "amount", "minor"), [("JPY", "1000", 1000), ("HUF", "12345.00", 1234500)])
async def test_whole_units_have_no_decimals(world: BankWorld, currency: str, amount: str, minor: int) -> None:
    attempts, _ = world.rails()
    due = attempt_due("paypal", f"default/2026-10/1/{currency}", currency=currency, amount=Decimal(amount))
    assert (await attempts.send(due, due.key)).code == "accepted"
    payment = world.bank.book.find("paypal", due.key)
    assert payment is not None
    assert payment.minor == minor


async def test_one_token_serves_many_payments(world: BankWorld) -> None:
    attempts, _ = world.rails()
    before = len(world.paypal.tokens)
    for number in range(3):
        due = attempt_due("paypal", f"default/2026-09/{number}/USD")
        await attempts.send(due, due.key)
    assert len(world.paypal.tokens) == before + 1


async def test_a_token_that_ended_is_asked_for_again(world: BankWorld) -> None:
    attempts, _ = world.rails()
    due = attempt_due("paypal", "default/2026-10/2/USD")
    first = attempt_due("paypal", "default/2026-10/3/USD")
    await attempts.send(first, first.key)
    world.paypal.tokens.clear()
    answer = await attempts.send(due, due.key)
    assert (answer.outcome, answer.code) == ("unavailable", "not_permitted")
    assert (await attempts.send(due, due.key)).code == "accepted"


async def test_a_wrong_secret_took_nothing(world: BankWorld) -> None:
    attempts, _ = world.rails(rail_paypal_client_secret="another")
    due = attempt_due("paypal", "default/2026-10/4/USD")
    answer = await attempts.send(due, due.key)
    assert (answer.outcome, answer.code) == ("unavailable", "not_permitted")
    assert "client id and secret" in answer.detail


async def test_edge_32_an_unclaimed_payout_comes_back_without_fault_of_the_method(world: BankWorld) -> None:
    attempts, checks = world.rails()
    due = attempt_due("paypal", "default/2026-10/5/USD")
    world.bank.scenarios.pinned[due.key] = Scenario(ends="awaiting_then_expired")
    sent = await attempts.send(due, due.key)
    check = check_due(due, reference=sent.reference)
    assert (await checks.send(check, "check")).code == "awaiting_payee"
    world.bank.tick()
    answer = await checks.send(check, "check")
    assert (answer.outcome, answer.code) == ("refused", "not_confirmed"), "it was never paid"
    (report,) = _read(world, world.bank.notices[-1])
    assert (report.outcome, report.code) == ("failed", "not_confirmed")


async def test_a_reversed_payout_is_a_return(world: BankWorld) -> None:
    attempts, checks = world.rails()
    due = attempt_due("paypal", "default/2026-10/6/USD")
    world.bank.scenarios.pinned[due.key] = Scenario(ends="returned")
    sent = await attempts.send(due, due.key)
    world.bank.tick()
    paid = await checks.send(check_due(due, reference=sent.reference), "check")
    assert (paid.code, dict(paid.facts)) == ("paid", {"amount": "1234.56", "currency": "USD", "fee": "0.25"})
    world.bank.tick()
    answer = await checks.send(check_due(due, reference=sent.reference), "check")
    assert (answer.code, answer.facts["fault"]) == ("returned", "account_blocked")


async def test_a_reference_of_another_payout_says_nothing(world: BankWorld) -> None:
    attempts, checks = world.rails()
    due, other = attempt_due("paypal", "default/2026-10/7/USD"), attempt_due("paypal", "default/2026-10/8/USD")
    sent = await attempts.send(due, due.key)
    answer = await checks.send(check_due(other, reference=sent.reference), "check")
    assert answer.outcome == "unknown"
    gone = await checks.send(check_due(other, reference="BATCH999999"), "check")
    assert gone.outcome == "unknown", "PayPal never says that a key is absent"


async def test_other_events_of_the_webhook_are_no_reports(world: BankWorld) -> None:
    body = b'{"id": "WH-1", "event_type": "PAYMENT.PAYOUTSBATCH.SUCCESS", "resource": {}}'
    assert _read(world, Notice("paypal", world.paypal.signed(body), body)) == ()


async def test_an_event_for_another_webhook_is_refused(world: BankWorld) -> None:
    body = b'{"id": "WH-1", "event_type": "PAYMENT.PAYOUTSBATCH.SUCCESS", "resource": {}}'
    read = world.callbacks(rail_paypal_webhook_id="OTHER").read("paypal", world.paypal.signed(body), body)
    assert read.code == "forged"  # type: ignore[union-attr]


def _read(world: BankWorld, notice: Notice) -> Any:
    return world.callbacks().read(notice.rail, notice.headers, notice.body)
