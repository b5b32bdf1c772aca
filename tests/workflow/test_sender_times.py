"""Shops whose clocks are wrong, through every worker: money is paid later, never sooner; `verify` detects it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.network.v1 import RegisterShop
from contracts.rules.terms import digest_of, terms_of
from contracts.rules.v1 import ActivateRules, ApproveRules, ProposeRules, RetireRules
from contracts.stock.v1 import AdjustStock
from infra.ports.store import Document
from tests.builders import KEY, MARKET, NOW, SHOP, a_rule_document, message, place, update
from tests.workflow.system import System

MONTHS_AGO = NOW - timedelta(days=330)
YEARS_AHEAD = datetime(2099, 1, 1, tzinfo=UTC)
HOLD = timedelta(days=7)


async def sent(system: System, payload: Any, time: datetime) -> None:
    await system.send(message(payload, time=time))
    await system.run_until_idle()


async def shipped(system: System) -> None:
    await system.publish(place(prepaid=True))
    await system.run_until_idle()
    await system.publish(update("shipped"))
    await system.run_until_idle()


def status(system: System) -> str:
    [commission] = system.documents("commission_calculation.commissions")
    return str(commission["status"])


def reasons(system: System, *types: str) -> list[str]:
    return [event["data"]["reason"] for event in system.events(*types)]


class TestACompletion:
    async def test_of_months_ago_starts_the_hold_today(self, system: System) -> None:
        await shipped(system)
        await sent(system, update("completed"), MONTHS_AGO)

        await system.tick(NOW + HOLD - timedelta(seconds=20))
        await system.run_until_idle()
        assert status(system) == "held"
        await system.tick(NOW + HOLD)
        await system.run_until_idle()
        assert status(system) == "released"
        await system.assert_sound()

    async def test_from_the_future_is_refused_and_may_be_sent_again(self, system: System) -> None:
        await shipped(system)
        await sent(system, update("completed"), YEARS_AHEAD)
        assert reasons(system, "order.status-refused.v1") == ["time_in_future"]

        await system.publish(update("completed"))
        await system.run_until_idle()
        assert system.document("order_intake.orders", KEY)["completed_at"] == NOW
        await system.assert_sound()


class TestAnOrder:
    async def test_of_2099_earns_nothing(self, system: System) -> None:
        await sent(system, place(prepaid=True), YEARS_AHEAD)

        assert reasons(system, "order.refused.v1") == ["time_in_future"]
        assert system.documents("order_intake.orders") == system.documents("reward_checks.progress") == []

    async def test_of_the_last_day_of_the_calendar_is_refused_at_once(self, system: System) -> None:
        await sent(system, place(placed_at=datetime(9999, 12, 31, tzinfo=UTC)), NOW)

        assert reasons(system, "order.refused.v1") == ["placed_in_future"]
        assert system.broker.next_due_at is None
        await system.assert_sound()

    async def test_of_the_past_is_accepted_where_history_is_permitted(self, system: System) -> None:
        await sent(system, place("1", prepaid=True), NOW - timedelta(days=40))
        assert reasons(system, "order.refused.v1") == ["placed_too_long_ago"]

        permitted = RegisterShop(shop_id=SHOP, currency="CNY", market=MARKET, history_from=NOW - timedelta(days=40))
        await system.publish(permitted)
        await system.run_until_idle()
        await sent(system, place("2", prepaid=True), NOW - timedelta(days=40))
        [order] = system.documents("order_intake.orders")
        assert (order["placed_at"], order["status"]) == (NOW - timedelta(days=40), "paid")
        await system.assert_sound()

    async def test_whose_total_exceeds_the_largest_amount_is_refused(self, system: System) -> None:
        lines = place(lines=[*place().lines] * 2).lines
        big = [line.model_copy(update={"amount": line.amount * 6_000_000_000}) for line in lines]
        await system.publish(place(lines=big))
        await system.run_until_idle()

        assert reasons(system, "order.refused.v1") == ["total_too_large"]
        await system.assert_sound()


class TestRules:
    async def test_a_backdated_envelope_does_not_change_the_past(self, system: System) -> None:
        document = a_rule_document(["0.02"])
        digest = digest_of(terms_of(document))
        await system.publish(ProposeRules(rule_version=2, proposed_by="ann", rules=document))
        await system.run_until_idle()
        await system.publish(ApproveRules(rule_version=2, approved_by="bob", digest=digest))
        await system.run_until_idle()
        await sent(system, ActivateRules(rule_version=2, activated_by="bob"), MONTHS_AGO)
        await sent(system, RetireRules(rule_version=1, retired_by="bob"), MONTHS_AGO)

        assert system.document("rule_book.rules", 2)["effective_from"] == NOW
        assert system.document("rule_book.rules", 1)["retired_from"] == NOW
        await system.assert_sound()


async def test_a_future_time_is_refused_by_other_workers_too(system: System) -> None:
    await sent(system, AdjustStock(adjustment_id="a", product_id=501, delta=1), YEARS_AHEAD)

    assert reasons(system, "stock.refused.v1") == ["time_in_future"]


class TestVerify:
    """Each of these errors is planted: no rule decides so."""

    @pytest.fixture
    async def completed(self, system: System) -> Document:
        await shipped(system)
        await system.publish(update("completed"))
        await system.run_until_idle()
        await system.assert_sound()
        return system.store.table("order_intake.orders").documents[KEY]

    @pytest.mark.parametrize(
        "fields",
        [
            {"completed_at": MONTHS_AGO},
            {"paid_at": MONTHS_AGO},
            {"placed_at": YEARS_AHEAD},
            {"completed_at": YEARS_AHEAD},
        ],
    )
    async def test_detects_steps_out_of_sequence(
        self, system: System, completed: Document, fields: dict[str, datetime]
    ) -> None:
        completed.update(fields)

        assert ("I4", f"order/{KEY}") in await breaches(system)

    async def test_detects_a_hold_that_began_before_the_order_was_received(
        self, system: System, completed: Document
    ) -> None:
        """By the shop's times, all of it happened days before its first message."""
        completed.update(
            placed_at=NOW - timedelta(days=9), paid_at=NOW - timedelta(days=9), completed_at=NOW - timedelta(days=8)
        )

        assert ("I4", f"order/{KEY}") in await breaches(system)

    async def test_detects_rules_retired_in_the_past(self, system: System) -> None:
        await system.publish(RetireRules(rule_version=1, retired_by="bob"))
        await system.run_until_idle()
        assert await breaches(system) == set()
        rules = system.store.table("rule_book.rules").documents[1]
        rules["retired_from"] = NOW - timedelta(days=30)
        assert await breaches(system) == {("I8", "rules/1")}

        rules.update(effective_from=NOW + timedelta(days=2), retired_from=NOW)
        assert await breaches(system) == {("I8", "rules/1")}

    async def test_detects_rules_activated_in_the_past(self, system: System) -> None:
        await system.pass_time(days=3)
        document = a_rule_document(["0.02"])
        for step in (
            ProposeRules(rule_version=2, proposed_by="ann", rules=document),
            ApproveRules(rule_version=2, approved_by="bob", digest=digest_of(terms_of(document))),
            ActivateRules(rule_version=2, activated_by="bob"),
        ):
            await system.publish(step)
            await system.run_until_idle()
        assert await breaches(system) == set()

        system.store.table("rule_book.rules").documents[2]["effective_from"] = NOW

        assert await breaches(system) == {("I8", "rules/2")}


async def breaches(system: System) -> set[tuple[str, str]]:
    return {(breach.invariant, breach.about) for breach in (await system.verify()).breaches}
