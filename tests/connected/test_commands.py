"""The command line as a person or a script uses it: what it prints, and how it ends when it cannot do its work."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aio_pika
import pytest

from contracts.wire.envelope import COMMANDS_EXCHANGE
from infra.runtime import roster
from infra.runtime.topology import PARKED
from tests.builders import KEY, SELLER, message, place
from tests.connected.running import Ended, Site, command, until
from tests.servers import WAIT_MAX_S
from tests.workflow.conftest import set_up_commands

UNUSED_PORT = 1
"""A port on which no server listens."""


@contextmanager
def taken_port(port: int = 0) -> Iterator[int]:
    """A port on which another program listens: this one, or any."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        yield listener.getsockname()[1]


def assert_one_sentence(ended: Ended, *words: str) -> None:
    """Exit code 3, and on standard error one line that names what to do; no traceback, nothing on standard output."""
    assert ended.code == 3, ended.err
    assert ended.out == ""
    sentences = [line for line in ended.err.splitlines() if not line.startswith("{")]
    assert len(sentences) == 1, ended.err
    for word in words:
        assert word in sentences[0]


def running_in(folder: Path) -> list[int]:
    """Worker processes whose environment names this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in environment:
                found.append(int(entry.name))
    return found


@pytest.fixture
async def traded(site: Site) -> Site:
    """One order, paid, through every worker."""
    async with site.loops(*roster.load_all()), site.channel() as channel:
        exchange = await channel.get_exchange(COMMANDS_EXCHANGE, ensure=False)
        for payload in (*set_up_commands(), place(prepaid=True)):
            await exchange.publish(aio_pika.Message(message(payload).to_bytes()), payload.message_type)
            if payload.message_type.startswith("rules."):
                await site.quiet()

        async def is_paid() -> bool:
            return bool(await site.documents("reward_checks.progress")) and bool(
                await site.documents("commission_calculation.commissions")
            )

        await until(is_paid, what="the order is paid")
        await site.quiet()
    return site


async def test_verify_and_trace_explain_what_happened(traded: Site) -> None:
    environment = traded.environment()
    verified, traced, unknown = await asyncio.gather(
        command("verify", "--json", environment=environment),
        command("trace", KEY, "--json", environment=environment),
        command("trace", "shop-1/never", environment=environment),
    )

    assert (verified.code, verified.object["holds"]) == (0, True)
    assert verified.object["figures"]["I2"] == {"orders_paid": 1, "entries": 3}
    assert traced.code == 0
    outcomes = traced.out
    for outcome in ("accepted", "reserved", "paid", "accrued", "counted"):
        assert f'"{outcome}"' in outcomes
    assert traced.object
    assert unknown.code == 1
    assert "shop_id/order_id" in unknown.out + unknown.err


async def test_verify_ends_with_1_where_an_invariant_is_broken(traded: Site) -> None:
    async def forge(tx: object) -> None:
        ours = {"distributor_id": SELLER}
        [balance, *_] = await tx.find("commission_calculation.balances", ours)  # type: ignore[attr-defined]
        forged = {**balance, "held_minor": balance["held_minor"] + 1}
        await tx.replace("commission_calculation.balances", [forged])  # type: ignore[attr-defined]

    await traded.store.transact(forge)
    ended = await command("verify", "--json", environment=traded.environment())

    assert (ended.code, ended.object["holds"], ended.object["breach_count"]) == (1, False, 1)
    assert ended.object["breaches"][0]["invariant"] == "I3"


async def test_verify_ends_with_3_and_a_sentence_on_an_unreadable_document(traded: Site) -> None:
    async def spoil(tx: object) -> None:
        [order] = await tx.find("order_intake.orders", {"_id": KEY})  # type: ignore[attr-defined]
        await tx.replace("order_intake.orders", [{**order, "lines": "none"}])  # type: ignore[attr-defined]

    await traded.store.transact(spoil)
    ended = await command("verify", environment=traded.environment())

    assert (ended.code, ended.out) == (3, "")
    *_, sentence = ended.err.splitlines()
    assert sentence.startswith(
        "Not verified completely: `commission_calculation (1 of 2)` cannot read the stored state."
    )
    assert "Traceback" not in ended.err


async def test_verify_shows_its_progress_without_a_terminal(traded: Site) -> None:
    ended = await command("verify", "--json", environment=traded.environment())

    shown = ended.err.splitlines()
    assert shown[:3] == ["alerting", "catalog", "commission_calculation (1 of 2)"]
    assert shown[-1] == "messages"
    assert ended.object["holds"], "progress does not go to standard output"


async def test_topology_and_schemas_need_no_server(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin", "HOME": str(tmp_path), "TRIBUTARY_HOME": str(tmp_path)}
    topology, schemas, unknown = await asyncio.gather(
        command("topology", "--json", environment=environment),
        command("schema", "check", environment=environment),
        command("work", "unknown", environment=environment),
    )

    assert topology.code == 0
    rows = {(row["kind"], row["name"]) for row in topology.object}
    assert {("exchange", COMMANDS_EXCHANGE), ("queue", "order_intake.order.place"), ("queue", PARKED)} <= rows
    assert all(row["about"] for row in topology.object)
    assert (schemas.code, schemas.err) == (0, "")
    assert unknown.code == 2
    assert unknown.err.startswith("There is no worker 'unknown'; choose from alerting, ")
    assert len(unknown.err.splitlines()) == 1


async def test_servers_that_do_not_answer_end_a_command_within_seconds(site: Site) -> None:
    nowhere = f"127.0.0.1:{UNUSED_PORT}"
    away = {"rabbitmq_url": f"amqp://guest:guest@{nowhere}", "mongodb_url": f"mongodb://{nowhere}/?replicaSet=x"}
    brief: dict[str, object] = {"startup_wait_s": 2, "health_port": 0}
    started = time.monotonic()
    no_rabbit, no_mongo, no_address, unverified = await asyncio.gather(
        command("work", "catalog", environment=site.environment(**brief, rabbitmq_url=away["rabbitmq_url"])),
        command("work", "catalog", environment=site.environment(**brief, mongodb_url=away["mongodb_url"])),
        command("work", "catalog", environment=site.environment(**brief, mongodb_url="http://127.0.0.1")),
        command("verify", environment=site.environment(mongodb_url=away["mongodb_url"])),
    )

    assert time.monotonic() - started < WAIT_MAX_S
    assert_one_sentence(no_rabbit, f"RabbitMQ does not answer at amqp://{nowhere}", "tributary up")
    assert_one_sentence(no_mongo, f"MongoDB does not answer at mongodb://{nowhere}", "tributary up")
    assert_one_sentence(no_address, "MONGODB_URL cannot be understood")
    assert_one_sentence(unverified, "MongoDB does not answer", "MONGODB_URL")
    for ended in (no_rabbit, no_mongo, no_address, unverified):
        assert "guest" not in ended.err
