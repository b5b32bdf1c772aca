"""What is dead-lettered before a rule sees it: a message with an undecodable property."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.wire.envelope import STRUCTURED
from infra.ports.messaging import Outgoing
from infra.runtime import roster
from tests.builders import message, place
from tests.contracts.golden import FOLDER
from tests.workflow.conftest import set_up
from tests.workflow.system import System

LETTERS = "alerting.dead_letters"


async def test_a_lost_event_without_a_letter_is_a_breach() -> None:
    system = await set_up(System())
    await system.publish(place("1"))
    [intake] = [loop for loop in system.loops if loop._queue == "order_intake.order.place"]
    await intake.run()
    system.broker.queues["stock_reservation.order.accepted"].clear()
    await system.run_until_idle()

    report = await system.verify()
    assert "I6" in {breach.invariant for breach in report.breaches}


async def test_an_undecodable_property_dead_letters_its_delivery_only(system: System) -> None:
    orders = [message(place(number)) for number in ("1", "2")]
    await system.send_together(orders)
    await system.send_together([message(place("3"))])
    [poison, _] = system.broker.queues["order_intake.order.place"]
    system.broker.queues["order_intake.order.place"][0] = replace(poison, undecoded="timestamp (9)")
    await system.run_until_idle()

    [letter] = system.documents(LETTERS)
    assert (letter["reason"], letter["body"].encode()) == ("unreadable_property", poison.body)
    assert letter["detail"].startswith("timestamp (9) cannot be decoded")
    assert [order["order_id"] for order in system.documents("order_intake.orders")] == ["3"]
    await system.assert_sound()


@pytest.mark.parametrize("worker", roster.names())
async def test_every_queue_dead_letters_an_undecodable_property(worker: str) -> None:
    """It is not refused, although the body may name its subject."""
    system = System()
    for handler in roster.load(worker).handlers:
        queue = roster.load(worker).queue_of(handler)
        body = (FOLDER / f"{handler.payloads[0].message_type}.json").read_bytes()
        await system.broker.publish([Outgoing("", queue, body, STRUCTURED)])
        [delivery] = system.broker.queues[queue]
        system.broker.queues[queue][0] = replace(delivery, undecoded="app_id (ff)")
    await system.run_until_idle()

    letters = {letter["queue"]: letter["reason"] for letter in system.documents(LETTERS)}
    assert letters == dict.fromkeys(
        map(roster.load(worker).queue_of, roster.load(worker).handlers), "unreadable_property"
    )
