"""A shop's queue that takes nothing delays neither the orders of other shops nor their answers, and misses nothing."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from contracts.wire.envelope import BATCH, EVENTS_EXCHANGE, SHOP_EVENTS_EXCHANGE, STRUCTURED
from infra.adapters.rabbitmq import RabbitPublisher
from infra.local import record
from infra.ports.messaging import Outgoing
from infra.runtime import outbox, roster
from infra.settings import Settings
from infra.shops.logins import shop_queue
from tests.connected.running import Site
from tests.connected.shops import MINE, PLACE, THEIRS, an_order, connected, enveloped, logins_at
from tests.faults.servers import rabbitmqctl
from tests.servers import LocalStack

LEADER = """
{ok, Queue} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"%s">>)),
{Name, _} = amqqueue:get_pid(Queue),
sys:%s(whereis(Name)).
"""
AT_FIRST_S, LATER_S = 5.0, 1.0
"""How long a batch may take: the first one waits two seconds for the queue."""


@contextmanager
def without_leader(stack: LocalStack, shop_id: str) -> Iterator[None]:
    """The process that leads the shop's queue answers nothing, as if its node were away."""
    ports = record.read(record.folder_of(stack.name, stack.home))["rabbitmq"].ports
    folder, name = stack.home / stack.name / "rabbitmq", shop_queue(shop_id).name
    rabbitmqctl(folder, dict(ports), "eval", LEADER % (name, "suspend"))
    try:
        yield
    finally:
        rabbitmqctl(folder, dict(ports), "eval", LEADER % (name, "resume"))


def answers(shop_id: str, numbers: Sequence[int]) -> list[Outgoing]:
    """As a batch of the shop's messages is answered."""
    bodies = [json.dumps([{"type": "message.answered.v1", "data": {"number": number}}]).encode() for number in numbers]
    made = [Outgoing(SHOP_EVENTS_EXCHANGE, shop_id, body, BATCH, mandatory=False, best_effort=True) for body in bodies]
    return outbox.joined(made, Settings())


async def seconds_of(publisher: RabbitPublisher, messages: list[Outgoing]) -> float:
    began = time.monotonic()
    await publisher.publish(messages)
    return time.monotonic() - began


async def test_a_queue_without_a_leader_delays_only_its_shop(stack: LocalStack, site: Site) -> None:
    event = Outgoing(EVENTS_EXCHANGE, "without.reader.v1", b"[]", BATCH, mandatory=False)
    publisher = RabbitPublisher(site.settings.rabbitmq_url, timeout_s=30)
    async with logins_at(site, MINE, THEIRS), connected(site, MINE) as mine, connected(site, THEIRS) as theirs:
        await publisher.start()
        try:
            with without_leader(stack, MINE):
                many = answers(MINE, range(500))
                assert await seconds_of(publisher, [event, *many, *answers(THEIRS, [1])]) < AT_FIRST_S
                for number in range(500, 1000):
                    # One at a time, as a slow shop sends: no channel may fill up with what the queue does not take.
                    batch = [event, *answers(MINE, [number]), *answers(THEIRS, [number])]
                    assert await seconds_of(publisher, batch) < LATER_S
                found = await theirs.answers(501)
                assert {each["number"] for each in found} == {1, *range(500, 1000)}
            # What it may have taken before is offered once more; nothing is missing.
            missing = set(range(1000))
            while missing:
                missing -= {each["number"] for each in await mine.answers()}
            assert await seconds_of(publisher, answers(MINE, [1000])) < LATER_S
        finally:
            await publisher.stop()


async def test_other_shops_are_answered_meanwhile(stack: LocalStack, site: Site) -> None:
    [order_intake] = [worker for worker in roster.load_all() if worker.name == "order_intake"]
    async with (
        logins_at(site, MINE, THEIRS),
        site.loops(order_intake),
        connected(site, MINE) as mine,
        connected(site, THEIRS) as theirs,
    ):
        with without_leader(stack, MINE):
            began = time.monotonic()
            for number in range(20):
                for shop in (mine, theirs):
                    source = f"urn:shop:{shop.shop_id}"
                    body = enveloped(an_order(shop.shop_id, order_id=f"{number}"), f"m-{number}", source=source)
                    await shop.send(PLACE, body, content_type=STRUCTURED)
                await asyncio.sleep(0.05)
            sent = {f"m-{number}" for number in range(20)}
            assert {each["message_id"] for each in await theirs.answers(20)} == sent
            assert time.monotonic() - began < 2 * AT_FIRST_S
        while sent:
            sent -= {each["message_id"] for each in await mine.answers()}
