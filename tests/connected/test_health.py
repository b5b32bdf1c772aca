"""What a worker process reports to its operators: health, metrics, and a log."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

import aio_pika

from contracts.wire.envelope import COMMANDS_EXCHANGE
from tests.builders import KEY, message, update
from tests.connected.running import Site, command, free_ports, get, log_lines, until

DEAD = 'tributary_dead_lettered_total{queue="order_intake.order.place"}'
RETRIED = 'tributary_retried_total{queue="order_intake.order.update-status"}'


async def test_a_process_reports_health_metrics_and_a_log(site: Site) -> None:
    port = free_ports(1)
    async with (
        site.processes([["order_intake"]], health_port=port, log_level="debug") as fleet,
        site.channel() as channel,
    ):
        exchange = await channel.get_exchange(COMMANDS_EXCHANGE, ensure=False)

        async def ready() -> bool:
            return (await get(port, "/readyz")) == (200, '{"status": "ready", "lacks": {}}')

        await until(ready, what="the process is ready")
        assert await get(port, "/livez") == (200, '{"status": "alive"}')
        assert (await get(port, "/nothing"))[0] == 404

        await exchange.publish(aio_pika.Message(message(update("paid")).to_bytes()), "order.update-status.v1")
        await exchange.publish(aio_pika.Message(b"{"), "order.place.v1")

        async def counted() -> dict[str, str] | None:
            """The figures, once both messages have been handled, published and acknowledged."""
            figures = await metrics_of(port)
            is_complete = figures.get(DEAD) == "1.0" and float(figures.get(RETRIED, "0")) >= 1
            return figures if is_complete else None

        figures = await until(counted, what="both messages are counted")
        [pid] = fleet.pids
        assert sockets_beyond_loopback(pid) == []

    # With ids as labels, every order would be a time series.
    assert not [name for name in figures if re.search(r"shop-1|1001", name)]

    lines = log_lines(site.logs)
    assert [line["event"] for line in lines if line["event"] in ("started", "stopped")] == ["started", "stopped"]
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    [retried] = [line for line in lines if line["event"] == "retried" and line["attempt"] == 1]
    assert retried["about"] == f"order/{KEY}"
    assert (retried["worker"], retried["queue"]) == ("order_intake", "order_intake.order.update-status")
    [dead] = [line for line in lines if line["event"] == "dead_lettered"]
    assert (dead["level"], dead["reason"]) == ("error", "malformed_json")
    assert (dead["worker"], dead["queue"]) == ("order_intake", "order_intake.order.place")
    for log in site.logs.glob("*.log"):
        assert password_of(site) not in log.read_text()


def password_of(site: Site) -> str:
    password = urlsplit(site.settings.rabbitmq_url).password
    assert password, "the stack's login has one"
    return password


async def test_a_wrong_password_is_refused_at_once_and_never_shown(site: Site) -> None:
    url = site.settings.rabbitmq_url.replace(password_of(site), "s3cret-word")
    ended = await command("work", "catalog", environment=site.environment(rabbitmq_url=url, startup_wait_s=2))

    assert ended.code == 3
    assert "RabbitMQ refuses the user or password in RABBITMQ_URL" in ended.err
    assert "s3cret-word" not in ended.out + ended.err
    assert "Traceback" not in ended.err


async def metrics_of(port: int) -> dict[str, str]:
    """Every metric by its name with labels."""
    _, text = await get(port, "/metrics")
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))


def sockets_beyond_loopback(pid: int) -> list[str]:
    """Addresses other than this machine's own on which a process listens."""
    inodes = set()
    for descriptor in os.scandir(f"/proc/{pid}/fd"):
        try:
            inodes.add(os.readlink(descriptor.path).removeprefix("socket:[").removesuffix("]"))
        except FileNotFoundError:
            continue
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return [row[1] for row in rows if row[3] == "0A" and row[9] in inodes and not row[1].startswith("0100007F:")]
