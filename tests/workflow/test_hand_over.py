"""What was released and granted before settlement ran is booked as it would have been, and only once."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from contracts.rules.view import RULES
from contracts.settlement.view import LEDGER
from infra.operators.hand_over import handed_over
from tests.builders import NOW, a_target, completed, paid, put_in_force, refunded
from tests.workflow.system import System


def booked(system: System) -> dict[tuple[str, str], dict[str, int]]:
    """The legs of each posting, by order or reward, and kind."""
    return {
        (document["reference"], document["kind"] + document["account"]): document["legs"]
        for document in postings(system)
    }


def postings(system: System) -> list[dict[str, Any]]:
    return system.documents(LEDGER)


async def traded(system: System) -> System:
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
