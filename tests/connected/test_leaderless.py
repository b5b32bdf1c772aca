"""A quorum queue whose process has ended takes and gives nothing, and everything that reports health says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import pytest

from infra import local
from infra.adapters.rabbitmq_admin import BrokerAdmin
from infra.local import record
from infra.local.rabbitmq_server import MESSAGE_BYTES_MAX
from infra.operators.diagnosis_broker import look_at_broker
from infra.operators.diagnosis_queues import look_at_queues
from infra.processes import process
from tests.connected.running import Site, command, free_ports, get, until
from tests.faults.servers import rabbitmqctl
from tests.servers import LocalStack

REFUNDS = "order_intake.order.refund"


def end_leader(stack: LocalStack, queue: str) -> None:
    folder = record.folder_of(stack.name, stack.home)
    ports = dict(record.read(folder)["rabbitmq"].ports)
    stop = f"ra:stop_server(quorum_queues, {{'%2F_{queue}', node()}})."
    rabbitmqctl(folder / "rabbitmq", ports, "eval", stop)


async def test_readiness_doctor_status_and_up_notice_it(site: Site, whole_stack: LocalStack) -> None:
    port = free_ports(1)
    async with site.processes([["order_intake"]], health_port=port):

        async def answers(code: int) -> str | None:
            status, text = await get(port, "/readyz")
            return text if status == code else None

        await until(lambda: answers(200), what="the process is ready", within_s=30)
        await asyncio.to_thread(end_leader, whole_stack, REFUNDS)
        lacking = await until(lambda: answers(503), what="the process is not ready", within_s=15)
        doctor = await command("doctor", "--json", environment=site.environment())

    assert list(json.loads(lacking)["lacks"]) == [REFUNDS]
    assert "has no leader" in json.loads(lacking)["lacks"][REFUNDS]
    assert doctor.code == 1
    [found] = [each for each in doctor.object["findings"] if each["check"] == "leaders"]
    assert found["level"] == "problem"
    assert found["detail"].startswith(f"{REFUNDS} takes and gives no message, because it has no leader.")
    states = {each.server: each for each in local.status(whole_stack.name, home=whole_stack.home)}
    assert REFUNDS in str(states["rabbitmq"].complaint)

    await asyncio.to_thread(whole_stack.up)
    states = {each.server: each for each in local.status(whole_stack.name, home=whole_stack.home)}
    assert states["rabbitmq"].complaint is None
    assert await site.ready(REFUNDS) == 0


@pytest.fixture
async def another_limit(site: Site, whole_stack: LocalStack) -> AsyncIterator[str]:
    """The broker takes what it takes by default, until the end."""
    folder = record.folder_of(whole_stack.name, whole_stack.home)
    ports = dict(record.read(folder)["rabbitmq"].ports)

    async def limit(size: int) -> None:
        change = (
            f"persistent_term:put(max_message_size, {size}), application:set_env(rabbit, max_message_size, {size})."
        )
        await asyncio.to_thread(rabbitmqctl, folder / "rabbitmq", ports, "eval", change)

    await limit(134_217_728)
    yield site.settings.rabbitmq_url
    await limit(MESSAGE_BYTES_MAX)


async def test_the_broker_refuses_what_no_worker_could_hold(site: Site) -> None:
    async with site.channel() as channel:
        large = aio_pika.Message(bytes(MESSAGE_BYTES_MAX + 1))
        with pytest.raises(aio_pika.exceptions.ChannelPreconditionFailed):
            await channel.default_exchange.publish(large, REFUNDS)
    async with site.channel() as channel:
        await channel.default_exchange.publish(aio_pika.Message(bytes(site.settings.event_bytes_max)), REFUNDS)
    sizes = await the_sizes(site, site.settings.event_bytes_max)
    assert sizes == [("ok", f"It refuses messages of more than {MESSAGE_BYTES_MAX} bytes.")]
    [(level, detail)] = await the_sizes(site, MESSAGE_BYTES_MAX)
    assert (level, "our events have up to" in detail) == ("problem", True)


async def test_doctor_finds_a_broker_without_the_limit(site: Site, another_limit: str) -> None:
    [(level, detail)] = await the_sizes(site, site.settings.event_bytes_max)
    assert level == "problem"
    assert f"set max_message_size = {MESSAGE_BYTES_MAX}" in detail


async def the_sizes(site: Site, event_bytes_max: int) -> list[tuple[str, str]]:
    found = await look_at_broker(site.settings.rabbitmq_url, site.topology, [], event_bytes_max=event_bytes_max)
    return [(each.level, each.detail) for each in found if each.check == "size"]


async def test_doctor_finds_a_policy_that_lets_the_broker_drop_messages(site: Site) -> None:
    url = site.settings.rabbitmq_management_url
    assert url is not None
    names, admin = [queue.name for queue in site.topology.queues], BrokerAdmin(url)
    policy = {"pattern": f"^{REFUNDS}$", "definition": {"dead-letter-exchange": "amq.fanout"}, "apply-to": "queues"}
    await admin._call("PUT", "/policies/%2F/another", policy)
    try:

        async def is_found() -> bool:
            return [each.level for each in await look_at_queues(url, names)] == ["problem"]

        await until(is_found, what="doctor finds the policy", within_s=15)
        [found] = await look_at_queues(url, names)
    finally:
        await admin._call("DELETE", "/policies/%2F/another")
    assert found.detail.startswith(f"The policy another sets dead-letter-exchange for {REFUNDS}, so")


async def test_apply_names_the_queues_of_an_earlier_version_and_what_to_do(site: Site) -> None:
    earlier: dict[str, Any] = {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": "tributary.parked",
        "x-delivery-limit": 100,
    }
    names = (REFUNDS, "catalog.product.define")
    async with site.channel() as channel:
        for name in names:
            await channel.queue_delete(name)
            await channel.declare_queue(name, durable=True, arguments=earlier)
    try:
        applied = await command("topology", "--apply", environment=site.environment(startup_wait_s=2))
        started = await command("work", "catalog", environment=site.environment(startup_wait_s=2))
    finally:
        async with site.channel() as channel:
            for name in names:
                await channel.queue_delete(name)
        await process.prepare(site.settings)
    for ended in (applied, started):
        assert ended.code == 3
        assert "RabbitMQ has 2 queues with other arguments, as of an earlier version" in ended.err
        assert "rabbitmqctl delete_queue NAME" in ended.err
        assert all(name in ended.err for name in names)
        assert "does not answer" not in ended.err
