"""How an outage, and a dead process, appear in the log and in the metrics."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from contracts.wire.envelope import COMMANDS_EXCHANGE, STRUCTURED
from infra.ports.messaging import REDELIVERED_HEADER
from tests.api.front import lines_of, serving
from tests.builders import message
from tests.connected.running import Site, free_ports, log_lines, until
from tests.connected.test_health import metrics_of
from tests.servers import LocalStack
from tests.workflow.conftest import set_up_commands

PRODUCT = next(payload for payload in set_up_commands() if payload.message_type == "product.define.v1")
QUEUE = "catalog.product.define"
AWAY_AT_LEAST_S = 7


async def send(site: Site, **headers: int) -> None:
    async with site.channel() as channel:
        exchange = await channel.get_exchange(COMMANDS_EXCHANGE, ensure=False)
        body = message(PRODUCT).to_bytes()
        await exchange.publish(
            aio_pika.Message(body, content_type=STRUCTURED, headers=dict(headers)), PRODUCT.message_type
        )


def of(server: str, site: Site) -> list[dict[str, Any]]:
    return [line for line in log_lines(site.logs) if line.get("server") == server]


def shows(port: int, **wanted: float) -> Callable[[], Any]:
    """Whether the metrics have these values, by name without labels."""

    async def look() -> bool:
        figures = {name.partition("{")[0]: float(value) for name, value in (await metrics_of(port)).items()}
        return all(figures.get(name) == value for name, value in wanted.items())

    return look


def shows_connected(port: int, server: str, value: int) -> Callable[[], Any]:
    async def look() -> bool:
        figures = await metrics_of(port)
        ready, linked = figures.get("tributary_ready"), figures.get(f'tributary_connected{{server="{server}"}}')
        return (ready, linked) == (f"{value}.0", f"{value}.0")

    return look


@pytest.mark.parametrize(("server", "title"), [("rabbitmq", "RabbitMQ"), ("mongodb", "MongoDB")])
async def test_an_outage_of_an_idle_system_is_logged_and_measured(
    site: Site, whole_stack: LocalStack, server: str, title: str
) -> None:
    port = free_ports(2)
    async with site.processes([["catalog"], ["network"]], health_port=port):
        for number in range(2):
            await until(shows_connected(port + number, server, 1), what="all is connected", every_s=0.2)
        assert of(title, site) == []

        await asyncio.to_thread(whole_stack.end, server, signal.SIGTERM)
        try:
            for number in range(2):
                await until(
                    shows_connected(port + number, server, 0), what="the loss is measured", within_s=15, every_s=0.2
                )
            await asyncio.sleep(AWAY_AT_LEAST_S)
        finally:
            await asyncio.to_thread(whole_stack.up)
        for number in range(2):
            await until(shows_connected(port + number, server, 1), what="it is back", within_s=45, every_s=0.2)

    lines = of(title, site)
    for event in ("server_away", "server_back"):
        assert sum(line["event"] == event for line in lines) == 2, lines
    assert all(line["away_s"] >= AWAY_AT_LEAST_S - 1 for line in lines if line["event"] == "server_back")
    reminders = [line for line in lines if line["event"] == "server_still_away"]
    assert 4 <= len(reminders) <= 12, lines
    assert {line["event"] for line in lines} == {"server_away", "server_still_away", "server_back"}


async def test_waiting_work_has_an_age_and_the_queue_a_depth(site: Site, whole_stack: LocalStack) -> None:
    port = free_ports(1)
    async with site.processes([["catalog"]], health_port=port):
        await until(shows_connected(port, "mongodb", 1), what="all is connected", every_s=0.2)
        await send(site, **{REDELIVERED_HEADER: 1})
        labels = f'{{queue="{QUEUE}"}}'

        async def counted() -> dict[str, str] | None:
            figures = await metrics_of(port)
            names = (f"tributary_handled_total{labels}", f"tributary_queue_consumers{labels}")
            return figures if all(figures.get(name) == "1.0" for name in names) else None

        figures = await until(counted, what="it is handled", every_s=0.2)
        assert figures[f"tributary_redelivered_total{labels}"] == "1.0"
        assert figures[f"tributary_queue_ready_messages{labels}"] == "0.0"
        assert figures["tributary_restarts"] == "0.0"

        await asyncio.to_thread(whole_stack.end, "mongodb", signal.SIGTERM)
        try:
            await send(site)
            await asyncio.sleep(3)
            assert float((await metrics_of(port))[f"tributary_oldest_message_age_seconds{labels}"]) > 2
        finally:
            await asyncio.to_thread(whole_stack.up)

        async def done() -> bool:
            return (await metrics_of(port))[f"tributary_oldest_message_age_seconds{labels}"] == "0.0"

        await until(done, what="no message is in work", within_s=45, every_s=0.2)


async def test_a_restart_of_a_killed_child_is_logged_in_two_lines(site: Site) -> None:
    port = free_ports(1)
    async with site.processes([["catalog"]], health_port=port) as fleet:
        await until(shows(port, tributary_ready=1, tributary_restarts=0), what="it is ready", every_s=0.2)
        [pid] = fleet.pids
        os.kill(pid, signal.SIGKILL)
        await until(shows(port, tributary_ready=1, tributary_restarts=1), what="it is ready again", every_s=0.2)

        [died, restarted] = [line for line in log_lines(site.logs) if line["event"].startswith("process_")]
        assert (died["event"], died["workers"], died["pid"]) == ("process_died", ["catalog"], pid)
        assert (died["how"], died["level"]) == ("killed by SIGKILL", "warning")
        assert (restarted["event"], restarted["pid"]) == ("process_restarted", fleet.pids[0])


async def test_an_api_logs_that_rabbitmq_is_away_and_back(site: Site, whole_stack: LocalStack, tmp_path: Path) -> None:
    async with serving(site, tmp_path) as front:

        def logged() -> list[str]:
            return [line["event"] for line in lines_of(front.log) if line["event"].startswith("server_")]

        async def has(event: str) -> bool:
            return event in logged()

        assert logged() == []
        await asyncio.to_thread(whole_stack.end, "rabbitmq", signal.SIGTERM)
        try:
            await until(lambda: has("server_away"), what="the loss is logged", every_s=0.2)
        finally:
            await asyncio.to_thread(whole_stack.up)
        await until(lambda: has("server_back"), what="the return is logged", every_s=0.2)
        assert (logged()[0], logged()[-1]) == ("server_away", "server_back")
