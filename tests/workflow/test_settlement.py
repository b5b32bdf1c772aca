"""From the order to the statement: released commissions are booked, closed by the clock or by hand, and verified."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from contracts.commissions.v1 import CommissionReleased, Share
from contracts.rules.plans import AmountIn
from contracts.settlement.digests import digest_of
from contracts.settlement.document import TermsDocument
from contracts.settlement.terms import terms_of
from contracts.settlement.v1 import ApproveTerms, ClosePeriod, ProposeTerms
from contracts.settlement.view import BALANCES, LEDGER, STATEMENTS, STRIPES
from infra.ports.store import Increment
from infra.runtime import roster
from tests.builders import MARKET, MIDDLE, NOW, SELLER, TOP, completed, paid, put_in_force, refunded
from tests.workflow.system import System
from workers.settlement import repository

MONTH_END = datetime(2026, 12, 1, 6, tzinfo=UTC)
A_WEEK = timedelta(days=7)


@pytest.fixture
async def released(system: System) -> System:
    """An order of 90.00 that is paid, completed and released: 9.00 to the seller, 4.50 and 2.70 to the uplines."""
    for command in put_in_force():
        await system.publish(command)
        await system.run_until_idle()
    await system.publish(paid(), completed())
    await system.run_until_idle(with_retries=True)
    await system.tick(NOW + A_WEEK)
    await system.run_until_idle()
    return system


def statements(system: System) -> list[dict[str, Any]]:
    return [event["data"] for event in system.events("statement.closed.v1")]


async def breaches(system: System) -> set[str]:
    report = await system.verify()
    return {breach.invariant for breach in report.breaches}


async def put_terms_in_force(system: System, document: TermsDocument, version: int = 1) -> None:
    digest = digest_of(terms_of(document))
    await system.publish(ProposeTerms(terms_version=version, proposed_by="ann", terms=document))
    await system.run_until_idle()
    await system.publish(ApproveTerms(terms_version=version, approved_by="bob", digest=digest))
    await system.run_until_idle()


async def settlement_holds(system: System) -> bool:
    return not {"I12", "I13", "I14"} & await breaches(system)


async def test_what_was_released_is_on_the_statement_of_its_month(released: System) -> None:
    await released.tick(MONTH_END)
    await released.run_until_idle()

    found = [(one["distributor_id"], one["released"], one["payable"], one["number"]) for one in statements(released)]
    assert found == [(TOP, "2.70", "2.70", 1), (MIDDLE, "4.50", "4.50", 2), (SELLER, "9.00", "9.00", 3)]
    assert await settlement_holds(released)


async def test_case_1_a_refund_after_the_close_is_carried_as_a_debt(released: System) -> None:
    await released.tick(MONTH_END)
    await released.run_until_idle()
    await released.publish(refunded())
    await released.run_until_idle()
    await released.tick(datetime(2027, 1, 1, 6, tzinfo=UTC))
    await released.run_until_idle()

    [second] = [one for one in statements(released) if one["distributor_id"] == SELLER and one["period"] == "2026-12"]
    assert (second["opening"], second["reversed"], second["carried"]) == ("0.00", "-4.50", "-4.50")
    assert second["outcome"] == "carried_negative"
    assert await settlement_holds(released)


async def test_a_round_of_a_close_is_followed_by_a_rest_twice_as_long(
    released: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the servers are free for orders two thirds of the time."""
    transact, rests = released.store.transact, list[float]()

    async def for_two_seconds(work: Any) -> Any:
        released.time.advance_to(released.time.now() + timedelta(seconds=2))
        return await transact(work)

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    released.time.advance_to(MONTH_END)
    monkeypatch.setattr(released.store, "transact", for_two_seconds)
    monkeypatch.setattr(released.time, "sleep", rest)
    await released.publish(ClosePeriod(market=MARKET, period="2026-11", by="ann"), completed())
    await released.run_until_idle()

    assert len(statements(released)) == 3
    assert rests == [4.0], "one round, which follows the command"


async def test_one_distributor_is_closed_off_cycle_and_the_rest_of_the_month_follows(released: System) -> None:
    await released.publish(ClosePeriod(market=MARKET, period="2026-11", distributor_id=SELLER, by="ann"))
    await released.run_until_idle()
    await released.publish(refunded())
    await released.run_until_idle()
    await released.tick(MONTH_END)
    await released.run_until_idle()

    periods = [(one["period"], one["gross"]) for one in statements(released) if one["distributor_id"] == SELLER]
    assert periods == [("2026-11", "9.00"), ("2026-11.2", "-4.50")]
    assert await settlement_holds(released)


async def test_terms_of_two_persons_hold_from_their_period_on(system: System) -> None:
    minimum = (AmountIn(currency="CNY", amount=Decimal("5.00")),)
    await put_terms_in_force(system, TermsDocument(zone="Asia/Shanghai", minimum=minimum))
    await system.publish(a_release("1", datetime(2026, 11, 30, 15, 59, 59, tzinfo=UTC)))
    await system.publish(a_release("2", datetime(2026, 11, 30, 16, tzinfo=UTC)))
    await system.run_until_idle()
    await system.tick(datetime(2027, 1, 1, tzinfo=UTC))
    await system.run_until_idle()

    found = [(one["period"], one["opening"], one["gross"], one["outcome"]) for one in statements(system)]
    assert found == [("2026-11", "0.00", "3.00", "below_minimum"), ("2026-12", "3.00", "6.00", "payable")]


async def test_more_accounts_than_one_message_closes_are_closed_without_another_tick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(repository, "CLOSE_MAX", 3)
    system = System([roster.load("settlement")])
    shares = tuple(Share(distributor_id=number, amount=Decimal("1.00")) for number in range(1, 11))
    await system.publish(a_release("1", NOW, shares))
    await system.run_until_idle()
    await system.tick(MONTH_END)
    await system.run_until_idle()

    assert [one["number"] for one in statements(system)] == list(range(1, 11))
    assert len(system.events("settlement.close-due.v1")) == 3


class TestVerify:
    async def test_a_posting_that_is_lost_is_detected(self, released: System) -> None:
        table = released.store.table(LEDGER)
        [lost, *_] = table.find({})
        await released.store.transact(lambda tx: tx.replace(LEDGER, [{**lost, "legs": {"available": 1}}]))

        assert "I13" in await breaches(released)

    async def test_a_commission_that_is_not_booked_is_detected(self, released: System) -> None:
        more = Increment(f"{SELLER}/CNY/0", {"available_minor": 1}, {"distributor_id": SELLER, "currency": "CNY"})
        await released.store.transact(lambda tx: tx.add("commission_calculation.balances", [more]))

        assert "I12" in await breaches(released)

    @pytest.mark.parametrize(
        "change",
        [
            {"gross_minor": 901},
            {"carried_minor": 1},
            {"released_minor": 901},
            {"payable_minor": 899},
            {"opening_minor": 1},
            {"number": 7},
            {"withheld_minor": 1},
            {"posting_count": 2},
        ],
    )
    async def test_a_statement_with_another_figure_is_detected(self, released: System, change: dict[str, int]) -> None:
        await released.tick(MONTH_END)
        await released.run_until_idle()
        stored = released.document(STATEMENTS, f"{MARKET}/2026-11/{SELLER}/CNY")
        await released.store.transact(lambda tx: tx.replace(STATEMENTS, [{**stored, **change}]))

        assert "I14" in await breaches(released)

    async def test_a_close_that_left_a_stripe_open_is_detected(self, released: System) -> None:
        await released.tick(MONTH_END)
        await released.run_until_idle()
        key = f"{MARKET}/2026-11/{SELLER}/CNY/{STRIPES - 1}"
        stored = {name: value for name, value in released.document(BALANCES, key).items() if name != "closed"}
        await released.store.transact(lambda tx: tx.replace(BALANCES, [stored]))

        assert "I14" in await breaches(released)


def a_release(order_id: str, released_at: datetime, shares: tuple[Share, ...] = ()) -> CommissionReleased:
    shares = shares or (Share(distributor_id=SELLER, amount=Decimal("3.00")),)
    total = sum((share.amount for share in shares), Decimal(0))
    return CommissionReleased(
        shop_id="shop-1", order_id=order_id, currency="CNY", total=total, shares=shares, released_at=released_at
    )
