"""A process whose port is taken consumes nothing and ends with a sentence; one that starts logs where it listens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import aio_pika
import httpx
import pytest

from contracts.wire.envelope import COMMANDS_EXCHANGE
from infra.adapters import rabbitmq as broker
from infra.processes.fleet import Fleet
from infra.processes.start import StartError
from tests.builders import message, update
from tests.connected.running import Site, command, free_ports, get, log_lines, until
from tests.connected.test_commands import assert_one_sentence, running_in, taken_port

QUEUE = "order_intake.order.update-status"
CHILD_MAX_S = 40.0


async def test_a_worker_whose_port_is_taken_consumes_no_message(site: Site) -> None:
    async with site.channel() as channel:
        exchange = await channel.get_exchange(COMMANDS_EXCHANGE, ensure=False)
        await exchange.publish(aio_pika.Message(message(update("paid")).to_bytes()), "order.update-status.v1")
        with taken_port() as port:
            ended = await command("work", "order_intake", environment=site.environment(health_port=port))

        assert_one_sentence(
            ended, f"Port {port} for health and metrics is taken by process {os.getpid()} (", "TRIBUTARY_HEALTH_PORT"
        )
        queue = await channel.get_queue(QUEUE, ensure=False)
        waiting = await queue.get(timeout=10)
        assert waiting is not None
        assert not waiting.redelivered
        assert not waiting.headers.get("x-delivery-count")
        await waiting.ack()


async def test_work_all_starts_nothing_when_one_port_is_taken(site: Site, tmp_path: Path) -> None:
    first = free_ports(10)
    with taken_port(first + 3) as port:
        environment = {**site.environment(health_port=first), "MARK": str(tmp_path)}
        ended = await command("work", "all", environment=environment)

    assert_one_sentence(ended, f"Port {port} ", f"process {os.getpid()} (", f"these processes take {first} to ")
    assert running_in(tmp_path) == []


async def test_a_child_that_cannot_start_ends_the_fleet(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program takes the port between the check and the start."""
    monkeypatch.setattr(Fleet, "require_ports", lambda _: None)
    with taken_port() as port:
        fleet = Fleet([["catalog"]], site.environment(), health_port=port, logs=site.logs)
        try:
            fleet.start()
            with pytest.raises(StartError, match=rf"catalog cannot start.*Port {port} .* is taken by process"):
                await asyncio.wait_for(asyncio.to_thread(fleet.watch), CHILD_MAX_S)
        finally:
            fleet.stop()
    assert fleet.restarts == 0


async def test_a_restarted_child_waits_for_a_server_that_is_away(site: Site) -> None:
    """Regardless of `startup_wait_s`: if it ended, the whole fleet would end."""
    async with site.processes([["catalog"]], startup_wait_s=1) as fleet:
        [member] = fleet.members
        await until(consumed(site), what="it consumes")
        member.environment = {**member.environment, "RABBITMQ_URL": "amqp://guest:guest@127.0.0.1:1"}
        os.kill(fleet.pids[0], signal.SIGKILL)

        async def is_restarted() -> bool:
            return fleet.restarts == 1 and bool(fleet.pids)

        await until(is_restarted, what="it is started again")
        await asyncio.sleep(6)
        assert fleet.restarts == 1


@pytest.mark.parametrize("processes", [1, 2])
async def test_the_api_on_a_taken_port_is_one_sentence(site: Site, processes: int) -> None:
    with taken_port() as port:
        ended = await command("api", "--port", str(port), "--workers", str(processes), environment=site.environment())
    assert_one_sentence(ended, f"Port {port} for the HTTP API is taken by process {os.getpid()} (", "--port")


@pytest.mark.parametrize("processes", [1, 2])
async def test_the_api_logs_where_it_listens(site: Site, processes: int) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infra.cli.app", "api", "--port", "0", "--workers", str(processes)),
        env=site.environment(),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        started: dict[str, Any] = {}
        async with asyncio.timeout(60):
            while started.get("event") != "started":
                started = json.loads(await process.stderr.readline())
        assert started["processes"] == processes
        async with httpx.AsyncClient(base_url=started["url"]) as client:
            assert (await client.get("/livez")).status_code == 200
    finally:
        process.terminate()
        await process.communicate()


async def test_several_processes_of_an_api_that_cannot_start_end_with_an_exit_code(site: Site) -> None:
    nowhere = site.environment(mongodb_url="mongodb://127.0.0.1:1/?replicaSet=x", startup_wait_s=1)
    ended = await command("api", "--port", "0", "--workers", "2", environment=nowhere)
    assert ended.code == 3
    lines = [json.loads(line) for line in ended.err.splitlines()]
    assert any(
        line["event"] == "cannot start" and "127.0.0.1:1" in line["reason"] and "MONGODB_URL" in line["reason"]
        for line in lines
    )


async def test_a_worker_logs_the_address_of_its_health(site: Site) -> None:
    port = free_ports(1)
    async with site.processes([["catalog"]], health_port=port):
        await until(consumed(site), what="it consumes")

        async def started() -> str | None:
            return next((line["health"] for line in log_lines(site.logs) if line["event"] == "started"), None)

        assert await until(started, what="it has started") == f"http://127.0.0.1:{port}"
        assert (await get(port, "/livez"))[0] == 200


def consumed(site: Site) -> Any:
    async def look() -> bool:
        found = await broker.depths(site.settings.rabbitmq_url, ["catalog.product.define"])
        return any(depth is not None and depth.consumers for depth in found.values())

    return look
