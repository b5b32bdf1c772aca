"""A known id with other content is a conflict in every worker, and is never lost."""

from __future__ import annotations

import pytest

from contracts.operations.v1 import SettleDeadLetter
from contracts.wire.catalogue import is_refusal
from contracts.wire.envelope import COMMANDS_EXCHANGE, PAYLOADS, STRUCTURED, Command, Payload
from contracts.wire.examples import example_of
from infra.ports.messaging import REDELIVERED_HEADER, Outgoing
from infra.runtime import roster
from infra.runtime.worker import Handler, Worker
from tests.builders import message, place, update
from tests.workflow.system import System

COMMANDS: list[tuple[Worker, Handler, type[Payload]]] = [
    (worker, handler, payload)
    for worker in roster.load_all()
    for handler in worker.handlers
    for payload in handler.payloads
    if issubclass(payload, Command)
]
REFUSALS = [message_type for message_type in PAYLOADS if is_refusal(message_type)]


def another(worker: Worker, handler: Handler) -> Payload:
    """Another command for the same worker: of another type where it reads several."""
    others = [payload for w, h, payload in COMMANDS if w is worker and h is not handler]
    if others:
        return example_of(others[0]).data
    return SettleDeadLetter(letter_id="another", action="discarded", by="li.na", note="read")


@pytest.mark.parametrize(
    ("worker", "handler", "payload"), COMMANDS, ids=[payload.message_type for _, _, payload in COMMANDS]
)
async def test_another_command_under_a_used_id_is_refused_as_a_conflict(
    worker: Worker, handler: Handler, payload: type[Payload]
) -> None:
    """In every worker, and for every earlier use of the id."""
    system = System()
    repeat = example_of(payload).model_copy(update={"id": "used", "source": "shop-7"})
    await system.send(message(another(worker, handler)).model_copy(update={"id": "used", "source": "shop-7"}))
    await system.run_until_idle(with_retries=True)
    before = system.business_state()

    await system.send(repeat)
    await system.run_until_idle(with_retries=True)

    [refused] = [event for event in system.events(*REFUSALS) if event["data"]["reason"] == "conflict"]
    assert is_refusal(refused["type"])
    assert (refused["causationid"], refused["subject"]) == ("used", repeat.data.about())
    assert "under the id used" in refused["data"]["detail"]
    assert system.business_state() == before


async def test_a_second_order_under_a_used_id_is_refused_and_the_first_stays(system: System) -> None:
    await system.send(message(place("21"), id="x-1"))
    await system.send(message(place("22"), id="x-1"))
    await system.run_until_idle()
    await system.send(message(place("23"), id="x-1"))
    await system.send(message(place("21"), id="x-1"))
    await system.run_until_idle()

    refused = [(e["data"]["order_id"], e["data"]["reason"]) for e in system.events("order.refused.v1")]
    assert refused == [("22", "conflict"), ("23", "conflict")]
    assert [order["order_id"] for order in system.documents("order_intake.orders")] == ["21"]


async def test_a_status_with_the_id_of_its_order_is_refused(system: System) -> None:
    await system.send(message(place("21"), id="21"))
    await system.send(message(update("paid", "21"), id="21"))
    await system.run_until_idle(with_retries=True)

    [refused] = system.events("order.status-refused.v1")
    assert (refused["data"]["order_id"], refused["data"]["reason"]) == ("21", "conflict")
    assert "order.place.v2" in refused["data"]["detail"]


async def test_a_refused_command_is_answered_again_under_its_id(system: System) -> None:
    update_early = message(update("paid"), id="x-1")
    await system.send(update_early)
    await system.run_until_idle(with_retries=True)
    await system.publish(place())
    await system.run_until_idle()

    await system.send(update_early)
    await system.run_until_idle()

    first, again = system.events("order.status-refused.v1")
    assert first == again


async def test_a_repeated_conflict_has_the_same_answer(system: System) -> None:
    await system.send(message(place("21"), id="x-1"))
    other = message(place("22"), id="x-1")
    for _ in range(2):
        await system.send(other)
        await system.run_until_idle()
    again = Outgoing(COMMANDS_EXCHANGE, other.type, other.to_bytes(), STRUCTURED, headers={REDELIVERED_HEADER: 1})
    await system.broker.publish([again])
    await system.run_until_idle()

    first, *others = system.events("order.refused.v1")
    assert others == [first, first]


async def test_amounts_under_a_used_id_are_compared_by_value(system: System) -> None:
    order = message(place("21"), id="x-1")
    await system.send(order)
    await system.send_bytes(order.type, order.to_bytes().replace(b'"100.00"', b'"100.0"'), STRUCTURED)
    await system.run_until_idle()

    assert system.events("order.refused.v1") == []


async def test_a_message_journaled_without_a_digest_is_recognised_by_its_id(system: System) -> None:
    await system.send(message(place("21"), id="x-1"))
    await system.run_until_idle()
    journal = system.store.table("journal.order_intake")
    for record in system.documents("journal.order_intake"):
        for item in record.get("handled", ()):
            item.pop("digest", None)
        journal.put(record)

    await system.send(message(place("22"), id="x-1"))
    await system.send(message(update("paid", "21"), id="x-1"))
    await system.run_until_idle()

    assert system.events("order.refused.v1") == []
    assert [e["data"]["reason"] for e in system.events("order.status-refused.v1")] == ["conflict"]
