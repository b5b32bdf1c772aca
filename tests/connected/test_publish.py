"""`tributary publish`: messages arrive unchanged, and an error ends it with one sentence."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping

from contracts.wire.envelope import COMMANDS_EXCHANGE
from infra.runtime import roster
from tests.builders import message, place
from tests.connected.running import COMMAND_MAX_S, Ended, Site, next_message

CORNER = '{"shop_id": "corner", "currency": "CNY"}'
KIOSK = '{"shop_id": "kiosk", "currency": "USD"}'
REGISTER = ("--type", "shop.register.v1")
QUEUE = "network.shop.register"


async def publish(*options: str, stdin: str | bytes, environment: Mapping[str, str]) -> Ended:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infra.cli.app", "publish", *options),
        env=dict(environment),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    body = stdin.encode() if isinstance(stdin, str) else stdin
    out, err = await asyncio.wait_for(process.communicate(body), COMMAND_MAX_S)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def test_bare_bodies_get_an_envelope_and_an_id_each(site: Site) -> None:
    """Lines, or an array; here with a byte order mark and over several lines."""
    stdin = f"\ufeff{CORNER}\n[{KIOSK},\n {CORNER}]"
    ended = await publish(*REGISTER, "--json", stdin=stdin, environment=site.environment())

    assert ended.code == 0, ended.err
    published = ended.object["published"]
    assert [each["about"] for each in published] == ["shop/corner", "shop/kiosk", "shop/corner"]
    assert {each["exchange"] for each in published} == {COMMANDS_EXCHANGE}
    async with site.channel() as channel:
        queue = await channel.get_queue(QUEUE, ensure=False)
        arrived = [await next_message(queue) for _ in published]
    events = [json.loads(each.body) for each in arrived]
    assert [each["id"] for each in events] == [each["id"] for each in published]
    assert len({each["id"] for each in events}) == 3
    assert {each.delivery_mode for each in arrived} == {2}
    assert [each["data"]["currency"] for each in events] == ["CNY", "USD", "CNY"]


async def test_a_cloudevent_keeps_its_id_and_version(site: Site) -> None:
    order = message(place())
    ended = await publish(stdin=order.to_bytes(), environment=site.environment())

    assert ended.code == 0, ended.err
    assert order.id in ended.out
    async with site.channel() as channel:
        arrived = await next_message(await channel.get_queue("order_intake.order.place", ensure=False))
    event = json.loads(arrived.body)
    assert (event["id"], event["type"]) == (order.id, order.type)


async def test_wait_prints_the_outcome(site: Site) -> None:
    [network] = [worker for worker in roster.load_all() if worker.name == "network"]
    other_currency = CORNER.replace("CNY", "USD")
    async with site.loops(network):
        ended = await publish(
            *REGISTER, "--wait", "30", stdin=f"{CORNER}\n{CORNER}\n{other_currency}", environment=site.environment()
        )

    assert ended.code == 1
    registered, again = ended.out.splitlines()
    assert registered.endswith(": registered")
    assert again.startswith("shop.register.v1 about shop/corner")
    assert "refused: conflict: currency: shop corner sells in CNY" in ended.err


async def test_a_command_not_handled_in_time_is_reported(site: Site) -> None:
    ended = await publish(*REGISTER, "--wait", "0.2", stdin=CORNER, environment=site.environment())

    assert ended.code == 1
    assert "not handled yet; check again with `tributary trace shop/corner`" in ended.err
    assert await site.ready(QUEUE) == 1


async def test_a_message_without_a_queue_is_an_error(site: Site) -> None:
    async with site.channel() as channel:
        queue = await channel.get_queue("catalog.tag.define", ensure=False)
        await queue.unbind(COMMANDS_EXCHANGE, "tag.define.v1")
    try:
        ended = await publish(
            "--type", "tag.define.v1", stdin='{"tag_id": 1, "name": "new"}', environment=site.environment()
        )
    finally:
        async with site.channel() as channel:
            queue = await channel.get_queue("catalog.tag.define", ensure=False)
            await queue.bind(COMMANDS_EXCHANGE, "tag.define.v1")

    assert (ended.code, ended.out) == (3, "")
    assert "0 of 1 messages were published. line 1: no queue takes tag.define.v1; declare it" in ended.err


async def test_without_a_broker_it_ends_with_a_sentence(site: Site) -> None:
    away = site.environment(rabbitmq_url="amqp://guest:guest@127.0.0.1:1")
    ended = await publish(*REGISTER, stdin=CORNER, environment=away)

    assert ended.code == 3
    assert "RabbitMQ does not answer" in ended.err
    assert "Traceback" not in ended.err
