"""What was released and granted before settlement ran is booked as it would have been, and only once."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from contracts.operations.view import DEAD_LETTERS
from contracts.rewards.view import PROGRESS
from contracts.rules.view import RULES
from contracts.settlement.view import LEDGER
from infra.adapters.rabbitmq import QueueDepth
from infra.cli.actions.ledger_quiet import replayable, reward_queues, running, unbooked
from infra.operators.hand_over import handed_over
from infra.runtime import roster
from tests.builders import MARKET, NOW, a_target, completed, paid, put_in_force, refunded
from tests.reward_builders import a_release_of_a_reward
from tests.workflow.system import System


def booked(system: System) -> dict[tuple[str, str], dict[str, int]]:
    """The legs of each posting, by order or reward, and kind."""
    return {
        (document["reference"], document["kind"] + document["account"]): document["legs"]
        for document in postings(system)
    }


def postings(system: System) -> list[dict[str, Any]]:
    return system.documents(LEDGER)


async def traded(system: System, until: str = "refunded") -> System:
    """An order that reaches a target, is released, and then half refunded."""
    for command in put_in_force():
        await system.publish(command)
        await system.run_until_idle()
    [rules] = system.documents(RULES)
    target = asdict(a_target(target_minor=4_000))
    system.store.table(RULES).put({**rules, "terms": {**rules["terms"], "targets": [target]}})
    await system.publish(paid(), completed())
    await system.run_until_idle(with_retries=True)
    await system.tick(NOW + timedelta(days=7))
    await system.run_until_idle()
    if until == "released":
        return system
    await system.publish(refunded())
    await system.run_until_idle()
    return system


async def hand_over(system: System) -> None:
    for message in [message async for message in handed_over(system.store)]:
        await system.send(message)
    await system.run_until_idle()


async def test_it_books_what_settlement_would_have_booked(system: System) -> None:
    await traded(system)
    expected = booked(system)
    assert len(expected) == 7

    for name in system.store.names():
        if name.startswith(("settlement.", "journal.settlement")):
            table = system.store.table(name)
            for key in [*table.documents]:
                table.remove(key)
    await hand_over(system)

    assert booked(system) == expected
    assert not {"I12", "I13", "I14"} & {breach.invariant for breach in (await system.verify()).breaches}


async def test_what_is_booked_already_is_not_booked_again(system: System) -> None:
    await traded(system)
    before = postings(system)

    await hand_over(system)
    await hand_over(system)

    assert postings(system) == before


def lose_rewards(system: System, *ids: str) -> None:
    """The postings of rewards, or these of them, as if their events had been lost."""
    table = system.store.table(LEDGER)
    for posting in postings(system):
        if posting["kind"].startswith("reward") and posting["_id"] in (ids or (posting["_id"],)):
            table.remove(posting["_id"])


def rewards_of(system: System) -> list[int]:
    return [one["legs"]["available"] for one in postings(system) if one["kind"].startswith("reward")]


async def with_reward(system: System) -> System:
    """An order that reached a target and was released."""
    await traded(system, until="released")
    assert rewards_of(system) == [500]
    return system


async def test_a_reward_lost_before_the_hand_over_is_booked_once(system: System) -> None:
    await with_reward(system)
    lose_rewards(system)

    await hand_over(system)
    await hand_over(system)

    assert rewards_of(system) == [500]


async def test_a_reward_that_was_taken_back_and_granted_again_is_booked_again(system: System) -> None:
    """Of three postings the last is lost, twice: each time its reward is due again."""
    await with_reward(system)
    for sales in ("30.00", "20.00"):
        await system.publish(a_release_of_a_reward(sales, amount="0.00", was="5.00", market=MARKET))
        await system.run_until_idle()
        assert sum(rewards_of(system)) == 0
        await hand_over(system)
        await hand_over(system)
        assert sum(rewards_of(system)) == 500


async def test_the_end_of_a_reward_whose_grant_is_missing_is_no_debt(system: System) -> None:
    await with_reward(system)
    [granted] = [one["_id"] for one in postings(system) if one["kind"] == "reward"]
    [progress] = system.documents(PROGRESS)
    system.store.table(PROGRESS).put({**progress, "granted": [], "amounts_minor": {}})
    await system.publish(a_release_of_a_reward("30.00", amount="0.00", was="5.00", market=MARKET))
    await system.run_until_idle()
    lose_rewards(system, granted)

    await hand_over(system)

    assert sorted(rewards_of(system)) == [-500, 500]


def test_nothing_is_handed_over_while_a_reward_may_be_booked_besides() -> None:
    """A reward still queued would be booked by its own event too."""
    owners = [roster.load("reward_checks"), roster.load("settlement")]
    idle = {queue: QueueDepth(0, 0) for owner in owners for queue in owner.queues}
    queued = {**idle, "settlement.reward.released": QueueDepth(1, 0)}
    consumed = {**idle, "reward_checks.order.paid": QueueDepth(0, 1)}

    assert (running(owners, idle, "and"), unbooked(idle)) == (None, None)
    assert running(owners, consumed, "and …") == "1 process(es) of reward_checks are running, and …"
    assert "Queue settlement.reward.released holds 1 message(s)" in str(unbooked(queued))
    assert unbooked({**idle, "settlement.commission.released": QueueDepth(1, 0)}) is None
    assert {f"settlement.reward.{verb}" for verb in ("granted", "adjusted", "released", "revoked")} == {
        *reward_queues()
    }


async def test_nothing_is_handed_over_while_a_reward_is_a_dead_letter(system: System) -> None:
    letters = system.store.table(DEAD_LETTERS)
    letters.put({"_id": "a", "state": "waiting", "queue": "settlement.commission.released"})
    letters.put({"_id": "b", "state": "discarded", "queue": "settlement.reward.released"})
    assert await replayable(system.store) is None

    letters.put({"_id": "c", "state": "waiting", "queue": "settlement.reward.released"})

    assert "Queue settlement.reward.released has dead letters" in str(await replayable(system.store))
