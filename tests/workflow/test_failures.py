"""A failing message does not affect others, and ends where a person can read the reason."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from contracts.orders.v2 import PlaceOrder
from contracts.wire.envelope import Message
from infra.runtime import roster
from infra.runtime.worker import Worker
from infra.settings import Settings
from tests.builders import NOW, ORDER, SELLER, SHOP, TEA, message, place
from tests.workflow.conftest import set_up
from tests.workflow.system import System

LETTERS = "alerting.dead_letters"
STRICT = Settings(message_bytes_max=64_000)


def workers_with_a_bug(order_id: str) -> list[Worker]:
    """All workers, with an intake that raises on one order."""

    def raising(rule: Any) -> Any:
        def decide(state: Any, message: Message[Any]) -> Any:
            if message.data.order_id == order_id:
                raise ZeroDivisionError("a bug in the rule")
            return rule(state, message)

        return decide

    intake = roster.load("order_intake")
    handlers = tuple(
        replace(handler, decide=raising(handler.decide)) if handler.payloads[0] is PlaceOrder else handler
        for handler in intake.handlers
    )
    return [
        replace(worker, handlers=handlers) if worker.name == intake.name else worker for worker in roster.load_all()
    ]


async def test_an_order_line_without_units_is_refused_with_the_field_and_the_rule(system: System) -> None:
    line = {"product_id": TEA, "quantity": 0, "amount": "100.00"}
    order = {"shop_id": SHOP, "order_id": ORDER, "distributor_id": SELLER, "lines": [line]}
    await system.send_bytes("order.place.v2", json.dumps(order).encode())
    await system.run_until_idle()

    [refused] = system.events("order.refused.v1")
    assert refused["data"]["reason"] == "invalid_message"
    assert refused["data"]["detail"] == "lines.0.quantity: Input should be greater than or equal to 1 (got 0)"
    assert refused["subject"] == f"order/{SHOP}/{ORDER}"
    assert system.documents("order_intake.orders") == []
    assert system.documents(LETTERS) == []
    await system.assert_sound()


async def test_unreadable_messages_become_dead_letters_and_one_alert(system: System) -> None:
    for body in (b'{"shop_id": "shop-1", ', b"\xff\xfe", b'{"shop_id": "'):
        await system.send_bytes("order.place.v1", body)
    await system.publish(place())
    await system.run_until_idle(with_retries=True)

    letters = {letter["body"]: letter for letter in system.documents(LETTERS)}
    assert letters.keys() == {'{"shop_id": "shop-1", ', "//4=", '{"shop_id": "'}
    letter = letters['{"shop_id": "shop-1", ']
    assert (letter["reason"], letter["queue"]) == ("malformed_json", "order_intake.order.place")
    assert (letter["attempts"], letter["state"], letter["encoding"]) == (1, "waiting", "utf-8")
    assert letters["//4="]["encoding"] == "base64"
    # A thousand of the same cause are one alert.
    [alert] = system.documents("alerting.alerts")
    assert (alert["kind"], alert["seen"]) == ("dead_letter", 3)
    # Nothing was retried, and the valid order was accepted.
    assert system.time.now() == NOW
    assert len(system.documents("order_intake.orders")) == 1
    report = await system.assert_sound()
    assert report.figures["I5"]["dead_letters_waiting"] == 3


async def test_a_raising_rule_is_tried_four_times_and_the_rest_of_its_batch_once() -> None:
    system = await set_up(System(workers_with_a_bug("2")))
    orders = [message(place(number, prepaid=True)) for number in ("1", "2", "3")]
    await system.send_together(orders)
    await system.run_until_idle()
    assert sorted(order["order_id"] for order in system.documents("order_intake.orders")) == ["1", "3"]
    assert len(system.documents("commission_calculation.commissions")) == 2

    await system.run_until_idle(with_retries=True)

    assert system.time.now() - NOW == timedelta(seconds=5 + 60 + 600)
    [letter] = system.documents(LETTERS)
    assert (letter["reason"], letter["attempts"]) == ("handler_error", 4)
    assert letter["detail"] == "ZeroDivisionError: a bug in the rule"
    assert "in decide" in letter["traceback"]
    assert letter["message_id"] == orders[1].id
    assert letter["concerns"] == f"order/{SHOP}/2"
    # The letter has the whole message: a person repairs the rule and replays it.
    assert json.loads(letter["body"])["data"]["order_id"] == "2"
    tries = [
        (back["reason"], back["attempt"])
        for record in system.documents("journal.order_intake")
        for kind in ("retried", "dead")
        for back in record.get(kind, ())
    ]
    assert tries == [("handler_error", attempt) for attempt in (1, 2, 3, 4)]
    await system.assert_sound()


async def test_a_body_beyond_the_limit_is_parked_whole_at_the_broker() -> None:
    system = await set_up(System(settings=STRICT))
    body = json.dumps({"shop_id": SHOP, "note": "x" * 70_000}).encode()
    await system.send_bytes("order.place.v1", body)
    await system.publish(place())
    await system.run_until_idle()

    [parked] = system.broker.parked
    assert parked.body == body
    [letter] = system.documents(LETTERS)
    assert letter["reason"] == "too_large"
    assert letter["detail"] == f"body: {len(body)} bytes, and at most 64000 are accepted; split the message."
    assert len(system.documents("order_intake.orders")) == 1
    await system.assert_sound()


async def test_one_bad_item_of_a_batch_does_not_stop_the_others(system: System) -> None:
    good, bad = message(place("1")), {"specversion": "1.0", "id": "odd", "type": "order.place.v9", "data": {}}
    body = b"[" + good.to_bytes() + b"," + json.dumps(bad).encode() + b"]"
    await system.send_bytes("order.place.v2", body, "application/cloudevents-batch+json")
    await system.run_until_idle()

    [order] = system.documents("order_intake.orders")
    assert order["order_id"] == "1"
    [letter] = system.documents(LETTERS)
    assert (letter["message_id"], letter["reason"]) == ("odd", "unknown_type")
    await system.assert_sound()
