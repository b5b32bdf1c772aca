"""What is dead-lettered before a rule sees it: undecodable properties, and what the broker itself parked."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from contracts.operations.view import DeadLetter
from contracts.wire.envelope import STRUCTURED
from infra.operators.dead_letters import replay
from infra.ports.messaging import Death, Outgoing
from infra.runtime import roster
from tests.builders import SHOP, message, place
from tests.contracts.golden import FOLDER
from tests.workflow.conftest import set_up
from tests.workflow.system import System

LETTERS = "alerting.dead_letters"


class TestParkedByTheBroker:
    """It moves a message to a queue without a journal; alerting reads that queue, and dead-letters the message."""

    PLACED = "order_intake.order.place"

    async def test_a_command_becomes_a_letter_of_its_queue(self, system: System) -> None:
        await system.publish(place("1"))
        system.broker.park(self.PLACED)
        await system.run_until_idle()

        [letter] = system.documents(LETTERS)
        assert (letter["worker"], letter["queue"]) == ("order_intake", self.PLACED)
        assert (letter["reason"], letter["type"]) == ("delivery_limit", "order.place.v2")
        assert letter["concerns"] == f"order/{SHOP}/1"
        assert json.loads(letter["body"])["data"]["order_id"] == "1"
        [alert] = system.documents("alerting.alerts")
        assert alert["_id"] == f"dead-letters/{self.PLACED}/delivery_limit"
        report = await system.assert_sound()
        assert report.figures["I5"]["dead_letters_waiting"] == 1
        assert report.figures["I5"]["commands_dead"] == 1
        assert system.broker.parked == []

    async def test_a_bare_body_is_kept_unchanged(self, system: System) -> None:
        body = b'{"shop_id": "shop-1",  "order_id": "1", "distributor_id": 1, "product_id": 1, "quantity": 1}'
        await system.send_bytes("order.place.v1", body)
        system.broker.park(self.PLACED)
        await system.run_until_idle()

        [letter] = system.documents(LETTERS)
        assert (letter["reason"], letter["body"].encode()) == ("delivery_limit", body)
        assert letter["routing_key"] == "order.place.v1"

    async def test_each_event_of_a_batch_is_a_letter_in_every_queue_that_lost_it(self) -> None:
        system = await set_up(System())
        await system.send_together([message(place("1")), message(place("2"))])
        [intake] = [loop for loop in system.loops if loop._queue == self.PLACED]
        await intake.run()
        readers = [queue for queue, waiting in system.broker.queues.items() if waiting]
        for queue in readers:
            system.broker.park(queue)
        await system.run_until_idle()

        letters = system.documents(LETTERS)
        assert "stock_reservation.order.accepted" in readers
        assert sorted((letter["queue"], letter["concerns"]) for letter in letters) == sorted(
            (queue, f"order/{SHOP}/{number}") for queue in readers for number in ("1", "2")
        )
        report = await system.verify()
        assert [breach for breach in report.breaches if breach.invariant in ("I5", "I6")] == []

    async def test_a_lost_event_without_a_letter_is_a_breach(self) -> None:
        system = await set_up(System())
        await system.publish(place("1"))
        [intake] = [loop for loop in system.loops if loop._queue == self.PLACED]
        await intake.run()
        system.broker.queues["stock_reservation.order.accepted"].clear()
        await system.run_until_idle()

        report = await system.verify()
        assert "I6" in {breach.invariant for breach in report.breaches}

    async def test_a_replay_handles_it(self, system: System) -> None:
        await system.publish(place("1"))
        system.broker.park(self.PLACED)
        await system.run_until_idle()
        [letter] = system.documents(LETTERS)
        fields = {name: value for name, value in letter.items() if name != "_id"}
        await system.broker.publish([replay(DeadLetter(letter_id=letter["_id"], **fields))])
        await system.run_until_idle(with_retries=True)

        assert [order["order_id"] for order in system.documents("order_intake.orders")] == ["1"]

    @pytest.mark.parametrize(
        ("death", "queue"),
        [
            (None, "alerting.parked"),
            (Death(PLACED, "not a code of RabbitMQ!"), "alerting.parked"),
            (Death("no.such.queue", "rejected"), "no.such.queue"),
        ],
    )
    async def test_a_message_parked_for_an_unknown_reason_is_a_letter_too(
        self, system: System, death: Death | None, queue: str
    ) -> None:
        await system.broker.publish([Outgoing("", "alerting.parked", b"\xff", None)])
        [delivery] = system.broker.queues["alerting.parked"]
        system.broker.queues["alerting.parked"][0] = replace(delivery, death=death)
        await system.run_until_idle()

        [letter] = system.documents(LETTERS)
        assert (letter["queue"], letter["body"]) == (queue, "/w==")


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
