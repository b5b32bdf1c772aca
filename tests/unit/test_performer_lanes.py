"""The lanes of a performer make calls side by side, a few at most for one owner."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from contracts.wire.envelope import BATCH
from infra.ports.messaging import Outgoing
from infra.runtime.batch import BatchLoop
from tests.builders import message
from tests.receiver import due
from tests.unit.test_performer import SETTINGS, Odd, a_system, answers
from tests.workflow.system import System


def lanes_of(system: System) -> Sequence[BatchLoop]:
    """The loops of the queue of notifications."""
    return system.loops[: system.settings.calls_in_flight_max]


async def test_only_as_many_calls_are_under_way_as_are_allowed() -> None:
    system = a_system()
    assert isinstance(system.outside, Odd)
    await system.publish(*(due(f"n-{number}", route_id=f"route-{number}") for number in range(10)))
    await asyncio.gather(*(loop.run() for loop in lanes_of(system)))

    assert system.outside.most_under_way == SETTINGS.calls_in_flight_max
    assert len(answers(system)) == 10


async def test_messages_that_came_together_are_called_one_by_one() -> None:
    system = a_system()
    bodies = [*(message(due(f"n-{number}")).to_bytes() for number in range(3)), b"{}"]
    body = b"[" + b",".join(bodies) + b"]"
    await system.broker.publish([Outgoing("", "notification_delivery.notification.due", body, BATCH)])
    await system.run_until_idle()

    assert system.outside.arrivals == ["n-0", "n-1", "n-2"]
    assert system.outside.looked_up == []
    assert len(answers(system)) == 3
    assert len(system.events("message.dead-lettered.v1")) == 1


async def test_calls_that_take_long_hold_up_their_owner_alone() -> None:
    system = a_system(call_deadline_s=20.0)
    assert isinstance(system.outside, Odd)
    slow = [due(f"slow-{number}", route_id="stops") for number in range(5)]
    quick = [due(f"quick-{number}", route_id="quick", host="other.test") for number in range(5)]
    await system.publish(*slow, *quick)
    lanes = [asyncio.create_task(loop.run()) for loop in lanes_of(system)]
    await asyncio.wait(lanes, return_when=asyncio.FIRST_COMPLETED)

    assert answers(system) == [("done", "accepted")] * 5
    assert system.outside.under_way == SETTINGS.calls_of_owner_max
    system.outside.stops.set()
    await asyncio.wait(lanes)
    await system.run_until_idle(with_retries=True)
    assert len(answers(system)) == 10
    assert system.outside.looked_up == []
