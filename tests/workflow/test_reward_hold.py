"""A reward is on no statement before the commissions of the sales that earned it are released."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.rewards.view import PROGRESS
from contracts.rules.view import RULES
from contracts.settlement.v1 import ClosePeriod
from contracts.settlement.view import LEDGER
from tests.builders import NOW, SELLER, a_target, cancelled, completed, paid, put_in_force
from tests.workflow.system import System

MONTH_END = datetime(2026, 12, 1, 6, tzinfo=UTC)


@pytest.fixture
async def granted(system: System) -> System:
    """An order that is paid and not shipped, whose seller reached a target by it."""
    for command in put_in_force():
        await system.publish(command)
        await system.run_until_idle()
    [rules] = system.documents(RULES)
    target = asdict(a_target(target_minor=4_000))
    system.store.table(RULES).put({**rules, "terms": {**rules["terms"], "targets": [target]}})
    await system.publish(paid())
    await system.run_until_idle()
    return system


def rewards_of(system: System) -> list[Any]:
    return [posting["legs"] for posting in system.documents(LEDGER) if posting["kind"].startswith("reward")]


async def settlement_holds(system: System) -> bool:
    return not {"I12", "I13", "I14"} & {breach.invariant for breach in (await system.verify()).breaches}


async def test_a_reward_for_an_order_that_is_cancelled_next_month_is_never_payable(granted: System) -> None:
    await granted.tick(MONTH_END)
    await granted.publish(ClosePeriod(market="default", period="2026-11", distributor_id=SELLER, by="ann"))
    await granted.run_until_idle()
    assert [document["held"] for document in granted.documents(PROGRESS)] == [["monthly_sales"]]

    await granted.publish(cancelled())
    await granted.run_until_idle(with_retries=True)

    assert granted.events("statement.closed.v1") == []
    assert rewards_of(granted) == []
    assert [document["granted"] for document in granted.documents(PROGRESS)] == [[]]
    assert await settlement_holds(granted)


async def test_a_reward_is_available_with_the_commissions_of_its_sales(granted: System) -> None:
    await granted.publish(completed())
    await granted.run_until_idle(with_retries=True)
    await granted.tick(NOW + timedelta(days=7) - timedelta(seconds=1))
    await granted.run_until_idle()
    assert rewards_of(granted) == []

    await granted.tick(NOW + timedelta(days=7))
    await granted.run_until_idle()

    assert rewards_of(granted) == [{"available": 500, "rewards": -500}]
    assert await settlement_holds(granted)


async def test_a_reward_that_was_never_released_and_is_booked_is_detected(granted: System) -> None:
    [progress] = granted.documents(PROGRESS)
    granted.store.table(PROGRESS).put({**progress, "held": []})

    found = {breach.invariant for breach in (await granted.verify()).breaches}

    assert {"I7", "I12"} <= found
