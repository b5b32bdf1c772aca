"""A server that is away for a while: the loops wait and report it, and no message is lost or dead-lettered."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

import aio_pika
import pytest

from contracts.wire.envelope import COMMANDS_EXCHANGE, Payload
from infra.runtime import roster
from tests.builders import message, place
from tests.connected.running import Site, free_ports, get, until
from tests.servers import LocalStack
from tests.workflow.conftest import set_up_commands

ORDERS = 200
BEFORE = 120
TITLES = {"rabbitmq": "RabbitMQ", "mongodb": "MongoDB"}
SMALL_BATCHES = {"batch_events_max": 5, "prefetch_commands": 20}


async def send(site: Site, *payloads: Payload) -> None:
    async with site.channel() as channel:
        exchange = await channel.get_exchange(COMMANDS_EXCHANGE, ensure=False)
        for payload in payloads:
            body = message(payload).to_bytes()
            persistent = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await exchange.publish(persistent, payload.message_type)


async def readiness(port: int) -> tuple[int, dict[str, Any]]:
    status, body = await get(port, "/readyz")
    return status, json.loads(body)["lacks"] if body else {}


async def becomes_ready(port: int) -> None:
    async def look() -> bool:
        return (await readiness(port))[0] == 200

    await until(look, what="the process is ready", within_s=60, every_s=0.2)


async def names_what_it_waits_for(port: int, server: str) -> None:
    """/readyz names the server: a batch waits for it, or the broker cannot be reached."""

    async def look() -> bool:
        status, lacks = await readiness(port)
        is_named = any(reason.startswith(f"waiting for {server}") for reason in lacks.values())
        return status == 503 and (is_named or (server == "RabbitMQ" and bool(lacks.get("broker"))))

    await until(look, what=f"/readyz names {server}", within_s=45, every_s=0.2)


async def all_paid(site: Site) -> None:
    async def look() -> bool:
        accrued = await site.documents("commission_calculation.commissions")
        counted = await site.documents("reward_checks.progress")
        # 90.00 an order: the last worker of the chain has counted the last one.
        return len(accrued) == ORDERS and bool(counted) and counted[0]["sales_minor"] == ORDERS * 9_000

    await until(look, what="all orders are paid", within_s=60, every_s=0.2)


async def outage(site: Site, stack: LocalStack, *, of: str, by: signal.Signals) -> None:
    """Take one server away while orders are being handled, and bring it back."""
    port = free_ports(1)
    orders = [place(str(number), prepaid=True) for number in range(ORDERS)]
    async with site.processes([roster.names()], health_port=port, **SMALL_BATCHES) as fleet:
        await send(site, *set_up_commands(stock=10 * ORDERS))
        await site.quiet()
        await becomes_ready(port)
        await send(site, *orders[:BEFORE])

        await asyncio.to_thread(stack.end, of, by)
        try:
            if of == "mongodb":
                await send(site, *orders[BEFORE:])
            await names_what_it_waits_for(port, TITLES[of])
            assert (await get(port, "/livez"))[0] == 200
        finally:
            await asyncio.to_thread(stack.up)
        stored_before = len(await site.documents("commission_calculation.commissions"))
        assert stored_before < ORDERS, "all was done before the server ended: this run proves nothing"

        await becomes_ready(port)
        if of != "mongodb":
            await send(site, *orders[BEFORE:])
        await all_paid(site)
        await becomes_ready(port)
        assert fleet.restarts == 0
    assert await site.documents("alerting.dead_letters") == []
    report = await site.assert_sound()
    assert report.figures["I2"]["orders_paid"] == ORDERS


@pytest.mark.full
async def test_rabbitmq_stops_and_starts_again(site: Site, whole_stack: LocalStack) -> None:
    await outage(site, whole_stack, of="rabbitmq", by=signal.SIGTERM)


async def test_mongodb_is_killed_and_starts_again(site: Site, whole_stack: LocalStack) -> None:
    await outage(site, whole_stack, of="mongodb", by=signal.SIGKILL)
