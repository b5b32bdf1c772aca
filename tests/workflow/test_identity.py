"""The identity of messages: bare bodies that return to an earlier state, redeliveries of them, and ids used twice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from contracts.network.v1 import CreateTeam, JoinTeam
from contracts.wire.envelope import Command, Payload
from infra.ports.messaging import Delivery, Outgoing
from infra.runtime import roster
from infra.runtime.worker import Handler, Worker
from tests.builders import CUPS, MARKET, MIDDLE, ORDER, SELLER, SHOP, TEA, TEAM, TOP, place, update
from tests.workflow.conftest import set_up
from tests.workflow.in_memory import InMemoryInbox
from tests.workflow.system import System

WEST = 13


@dataclass(frozen=True)
class Setting:
    """A state that bare bodies set: `common` names its document, `commands` are three, the third equals the first."""

    types: tuple[str, str, str]
    common: Mapping[str, Any]
    commands: Sequence[Mapping[str, Any]]
    collection: str
    key: Any

    @property
    def bodies(self) -> list[bytes]:
        return [json.dumps({**self.common, **command}).encode() for command in self.commands]


def setting(
    types: str | tuple[str, str], collection: str, key: Any, common: Mapping[str, Any], *commands: Any
) -> Setting:
    first, second = (types, types) if isinstance(types, str) else types
    return Setting((first, second, first), common, (*commands, commands[0]), collection, key)


OF_THE_ORDER = {"shop_id": SHOP, "order_id": ORDER}
SETTINGS = {
    "after-sale": setting(
        *("order.after-sale.v1", "order_intake.orders", f"{SHOP}/{ORDER}"),
        *(OF_THE_ORDER, {"open": True}, {"open": False}),
    ),
    "activity": setting(
        *("distributor.change.v1", "network.distributors", SELLER, {"distributor_id": SELLER}),
        *({"active": False}, {"active": True}),
    ),
    "tier": setting(
        *("distributor.change.v1", "network.distributors", SELLER, {"distributor_id": SELLER}),
        *({"tier": "gold"}, {"tier": "silver"}),
    ),
    "sponsor": setting(
        *("distributor.move.v1", "network.distributors", SELLER, {"distributor_id": SELLER}),
        *({"sponsor_id": TOP}, {"sponsor_id": MIDDLE}),
    ),
    "team": setting(
        *("team.join.v1", "network.distributors", SELLER, {"distributor_id": SELLER}),
        *({"team_id": WEST}, {"team_id": TEAM}),
    ),
    "membership": setting(
        *(("team.join.v1", "team.leave.v1"), "network.distributors", SELLER),
        *({"distributor_id": SELLER, "team_id": TEAM}, {}, {}),
    ),
    "leader": setting(
        *("team.change-leader.v1", "network.teams", TEAM, {"team_id": TEAM}),
        *({"leader_id": TOP}, {"leader_id": MIDDLE}),
    ),
    "shop": setting(
        *("shop.register.v1", "network.shops", SHOP, {"shop_id": SHOP, "currency": "CNY", "market": MARKET}),
        *({"payment_deadline_s": 600}, {"payment_deadline_s": 900}),
    ),
    "product": setting(
        *("product.define.v1", "catalog.products", TEA, {"product_id": TEA, "category_id": CUPS}),
        *({"name": "green tea"}, {"name": "black tea"}),
    ),
    "category": setting(
        *("category.define.v1", "catalog.categories", 9, {"category_id": 9}), *({"name": "pots"}, {"name": "pans"})
    ),
    "category that comes and goes": setting(
        *(("category.define.v1", "category.remove.v1"), "catalog.categories", 9, {"category_id": 9}),
        *({"name": "pots"}, {}),
    ),
    "tag": setting(*("tag.define.v1", "catalog.tags", 3, {"tag_id": 3}), *({"name": "organic"}, {"name": "bio"})),
    "market": setting(
        *("market.define.v1", "rule_book.markets", "harbour", {"market": "harbour"}),
        *({"levels_paid_max": 1}, {"levels_paid_max": 2}),
    ),
}


@pytest.fixture
async def system() -> System:
    """With a paid order, and two teams without the seller."""
    system = await set_up(System())
    await system.publish(place(), update("paid"))
    await system.run_until_idle(with_retries=True)
    await system.publish(
        CreateTeam(team_id=TEAM, leader_id=MIDDLE, name="East"),
        CreateTeam(team_id=WEST, leader_id=MIDDLE, name="West"),
        JoinTeam(team_id=TEAM, distributor_id=MIDDLE),
    )
    await system.run_until_idle()
    return system


def current_state(system: System, thing: Setting) -> dict[str, Any]:
    """The document without its counters of changes, and with the newest state of each history."""
    document = system.document(thing.collection, thing.key)
    return {name: _newest(value) for name, value in document.items() if name not in ("version", "moves")}


def _newest(value: Any) -> Any:
    if isinstance(value, list) and value and isinstance(value[-1], dict):
        return {name: part for name, part in value[-1].items() if name != "since"}
    return value


async def publish(system: System, thing: Setting, *, together: bool = False) -> list[dict[str, Any]]:
    """Send the three commands, one by one or all at once; returns the state after each, or the final one."""
    states = []
    for message_type, body in zip(thing.types, thing.bodies, strict=True):
        await system.send_bytes(message_type, body)
        if not together:
            await system.run_until_idle()
            states.append(current_state(system, thing))
    await system.run_until_idle()
    return states or [current_state(system, thing)]


@pytest.mark.parametrize("name", SETTINGS)
async def test_a_repeated_state_takes_effect_again(system: System, name: str) -> None:
    first, second, third = await publish(system, SETTINGS[name])

    assert first == third != second
    await system.assert_sound()


@pytest.mark.parametrize("name", SETTINGS)
async def test_the_same_bytes_again_change_nothing(system: System, name: str) -> None:
    thing = SETTINGS[name]
    await system.send_bytes(thing.types[0], thing.bodies[0])
    await system.run_until_idle()
    before, published = system.business_state(), len(_events(system))

    await system.send_bytes(thing.types[0], thing.bodies[0])
    await system.run_until_idle()

    assert system.business_state() == before
    assert len(_events(system)) == published


SAME_QUEUE = [name for name, thing in SETTINGS.items() if len(set(thing.types)) == 1]


@pytest.mark.parametrize("name", SAME_QUEUE)
async def test_a_batch_of_returning_states_survives_a_crash_before_publishing(system: System, name: str) -> None:
    """All three are redelivered and recognised, and their events are published again."""
    thing = SETTINGS[name]
    await _publish_and_die(system, thing)
    committed = system.documents(thing.collection)
    assert _events(system) == []

    system.broker.redeliver()
    await system.run_until_idle()

    assert system.documents(thing.collection) == committed
    replayed = {
        event["id"]: event for event in _events(system) if event["source"] == thing.collection.partition(".")[0]
    }
    assert len(replayed) == 3
    await system.assert_sound()


@pytest.mark.parametrize("name", SAME_QUEUE)
@pytest.mark.parametrize("one_by_one", [False, True])
async def test_an_unhandled_redelivered_command_is_a_new_one(system: System, name: str, one_by_one: bool) -> None:
    """It was prefetched when its worker ended, and has the same content as one that was handled before."""
    thing = SETTINGS[name]
    first = None
    for number, body in enumerate(thing.bodies[:2]):
        await system.send_bytes(thing.types[0], body)
        if one_by_one or number == 1:
            await system.run_until_idle()
        if one_by_one and number == 0:
            first = current_state(system, thing)
    second = current_state(system, thing)

    _deliver(system, thing.types[2], thing.bodies[2], redelivered=True)
    await system.run_until_idle()

    third = current_state(system, thing)
    assert third != second
    assert first in (None, third)


async def test_a_redelivered_command_whose_content_was_in_the_crashed_batch_is_a_new_one(system: System) -> None:
    """Four are redelivered: three were handled before the crash, the fourth was not."""
    thing = SETTINGS["after-sale"]
    await _publish_and_die(system, thing)
    assert current_state(system, thing)["after_sale_open"]

    system.broker.redeliver()
    _deliver(system, thing.types[1], thing.bodies[1], redelivered=True, first=False)
    await system.run_until_idle()

    assert not current_state(system, thing)["after_sale_open"]


@pytest.mark.parametrize("acknowledged", [False, True])
async def test_a_new_command_is_not_mistaken_for_one_of_the_crashed_batch(
    system: System, monkeypatch: pytest.MonkeyPatch, acknowledged: bool
) -> None:
    """The worker dies as it acknowledges three commands; the fourth, a prefetched one, is redelivered."""
    thing = SETTINGS["after-sale"]
    acknowledge = InMemoryInbox.acknowledge

    async def die(inbox: InMemoryInbox, deliveries: Sequence[Delivery]) -> None:
        if acknowledged:
            await acknowledge(inbox, deliveries)
        raise _Died

    with monkeypatch.context() as patched:
        patched.setattr(InMemoryInbox, "acknowledge", die)
        with pytest.raises(_Died):
            await publish(system, thing, together=True)

    system.broker.redeliver()
    _deliver(system, thing.types[1], thing.bodies[1], redelivered=True, first=False)
    await system.run_until_idle()

    assert not current_state(system, thing)["after_sale_open"]
    await system.assert_sound()


async def test_a_message_id_identifies_a_redelivery_after_other_messages(system: System) -> None:
    thing = SETTINGS["after-sale"]
    for name, body in zip(("m-1", "m-2"), thing.bodies[:2], strict=True):
        _deliver(system, thing.types[0], body, message_id=name)
        await system.run_until_idle()
    before = system.business_state()

    _deliver(system, thing.types[0], thing.bodies[0], message_id="m-1", redelivered=True)
    await system.run_until_idle()
    assert system.business_state() == before

    _deliver(system, thing.types[0], thing.bodies[0], message_id="m-3", redelivered=True)
    await system.run_until_idle()
    assert current_state(system, thing)["after_sale_open"]


async def test_a_message_id_alone_does_not_identify_a_message(system: System) -> None:
    thing = SETTINGS["after-sale"]
    for body in thing.bodies:
        _deliver(system, thing.types[0], body, message_id="always the same")
        await system.run_until_idle()

    assert current_state(system, thing)["after_sale_open"]


async def test_a_bare_body_that_waited_for_its_order_keeps_its_id(system: System) -> None:
    """A retry is a new AMQP message; the journal has one message, not two."""
    await system.send_bytes("order.update-status.v1", _json({"shop_id": SHOP, "order_id": "9", "status": "cancelled"}))
    await system.run_until_idle()
    await system.publish(place("9"))
    await system.run_until_idle(with_retries=True)

    records = system.documents("journal.order_intake")
    retried = {item["id"] for record in records for item in record.get("retried", ())}
    handled = {item["id"] for record in records for item in record.get("handled", ())}
    assert len(retried) == 1
    assert retried < handled
    assert system.document("order_intake.orders", f"{SHOP}/9")["status"] == "cancelled"


COMMANDS: list[tuple[Worker, Handler, type[Payload]]] = [
    (worker, handler, payload)
    for worker in roster.load_all()
    for handler in worker.handlers
    for payload in handler.payloads
    if issubclass(payload, Command)
]


async def test_the_same_garbled_bytes_for_two_queues_are_two_messages(system: System) -> None:
    for message_type in ("order.update-status.v1", "order.after-sale.v1"):
        await system.send_bytes(message_type, b"{")
    await system.run_until_idle()

    assert sorted(letter["queue"] for letter in system.documents("alerting.dead_letters")) == [
        "order_intake.order.after-sale",
        "order_intake.order.update-status",
    ]


class _Dying:
    """A publisher that dies before it publishes anything."""

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        if messages:
            raise _Died


class _Died(Exception):
    pass


async def _publish_and_die(system: System, thing: Setting) -> None:
    """Send all three commands in one batch, and let the worker die after the commit."""
    loops, system.loops = system.loops, system.loops_with(_Dying())
    system.broker.published.clear()
    with pytest.raises(_Died):
        await publish(system, thing, together=True)
    system.loops = loops


def _deliver(
    system: System,
    routing_key: str,
    body: bytes,
    *,
    message_id: str | None = None,
    redelivered: bool = False,
    first: bool = True,
) -> None:
    """Put a delivery directly into the queue of this type."""
    worker, handler = next((w, h) for w, h, payload in COMMANDS if payload.message_type == routing_key)
    content_type = "application/cloudevents+json" if b"specversion" in body else "application/json"
    delivery = Delivery(
        body=body,
        content_type=content_type,
        routing_key=routing_key,
        redelivered=redelivered,
        attempts=0,
        replays=0,
        returned=int(redelivered),
        received_at=system.time.now(),
        receipt=object(),
        message_id=message_id,
    )
    queue = system.broker.queues[worker.queue_of(handler)]
    queue.appendleft(delivery) if first else queue.append(delivery)


def _events(system: System) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for outgoing in system.broker.published:
        if outgoing.exchange == "tributary.events":
            content = json.loads(outgoing.body)
            found += content if isinstance(content, list) else [content]
    return found


def _json(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data).encode()
