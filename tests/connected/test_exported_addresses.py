"""A command does not write to servers that a shell has exported, as the tutorial does by `export $(tributary up)`.

`test_demo.py` starts its demo in such a shell.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import aio_pika
import pytest

from contracts.wire.envelope import COMMANDS_EXCHANGE
from infra.demo.given import NotEmptyError, require_empty
from infra.settings import Settings
from tests.builders import message, update
from tests.connected.running import Ended, Site, command
from tests.servers import LocalStack

ROOT = Path(__file__).parents[2]
DEMO_MAX_S = 420.0
ADDRESSES = ("RABBITMQ_URL", "MONGODB_URL", "REDIS_URL")


class Traps:
    """Three addresses that could be another system's servers; counts the connections to them."""

    def __init__(self) -> None:
        self.sockets = [socket.create_server(("127.0.0.1", 0)) for _ in ADDRESSES]
        for trap in self.sockets:
            trap.setblocking(False)
        schemes = ("amqp://guest:guest@127.0.0.1:{}", "mongodb://127.0.0.1:{}/?replicaSet=x", "redis://127.0.0.1:{}/0")
        self.exported = {
            name: scheme.format(trap.getsockname()[1])
            for name, scheme, trap in zip(ADDRESSES, schemes, self.sockets, strict=True)
        }

    def connections(self) -> int:
        count = 0
        for trap in self.sockets:
            try:
                trap.accept()[0].close()
                count += 1
            except BlockingIOError:
                continue
        return count

    def close(self) -> None:
        for trap in self.sockets:
            trap.close()


@pytest.fixture
def traps() -> Iterator[Traps]:
    traps = Traps()
    yield traps
    traps.close()


def at_home(home: Path, **more: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRIBUTARY_")}
    return {**inherited, "TRIBUTARY_HOME": str(home), "TRIBUTARY_RETRY_DELAYS_S": "[1, 2, 2]", **more}


async def demo(*options: str, environment: Mapping[str, str]) -> Ended:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infra.cli.app", "demo", "--orders", "10", "--json", *options),
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), DEMO_MAX_S)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


@pytest.mark.full
async def test_the_demo_runs_on_given_servers_that_are_empty_and_leaves_them_running(
    site: Site, whole_stack: LocalStack, tmp_path: Path
) -> None:
    empty = site.settings.redis_url.rpartition("/")[0] + "/9"
    settings = site.settings.model_copy(update={"database": "demo_given", "redis_url": empty})
    environment = at_home(tmp_path, TRIBUTARY_DATABASE=settings.database) | addresses(settings)

    unconfirmed = await demo("--on-given-servers", environment=environment)
    assert (unconfirmed.code, "add --yes" in unconfirmed.err) == (2, True), unconfirmed.err

    ended = await demo("--on-given-servers", "--yes", environment=environment)
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["verified"]
    assert "stay in the database 'demo_given'" in ended.err
    assert whole_stack.endpoints
    assert await site.documents("order_intake.orders") == []

    again = await demo("--on-given-servers", "--yes", environment=environment)
    assert again.code == 3
    assert again.err.startswith("The database 'demo_given' is not empty")
    assert "Traceback" not in again.err


async def test_all_given_servers_must_be_named(tmp_path: Path, traps: Traps) -> None:
    exported = {name: url for name, url in traps.exported.items() if name != "REDIS_URL"}
    ended = await demo("--on-given-servers", "--yes", environment=at_home(tmp_path, **exported))
    assert ended.code == 2
    assert ended.err.strip().endswith("set REDIS_URL.")
    assert traps.connections() == 0


async def test_a_queue_that_holds_messages_is_not_empty(site: Site) -> None:
    """Workers of another database read the same queues."""
    settings = site.settings.model_copy(update={"database": "nothing_here"})
    async with site.channel() as channel:
        exchange = await channel.get_exchange(COMMANDS_EXCHANGE, ensure=False)
        await exchange.publish(aio_pika.Message(message(update("paid")).to_bytes()), "order.update-status.v1")
    with pytest.raises(NotEmptyError, match=r"order_intake\.order\.update-status"):
        await require_empty(settings)


async def test_a_queue_that_workers_read_is_not_empty(site: Site) -> None:
    settings = site.settings.model_copy(update={"database": "nothing_here"})
    [worker] = [worker for worker in site.workers if worker.name == "catalog"]
    async with site.loops(worker):
        with pytest.raises(NotEmptyError, match=r"catalog\."):
            await require_empty(settings)


async def test_a_stack_on_the_command_line_takes_precedence_over_exported_addresses(
    tmp_path: Path, traps: Traps
) -> None:
    ended = await command("verify", "--stack", "another", environment=at_home(tmp_path, **traps.exported))
    assert ended.code == 3
    assert "There is no stack 'another' here" in ended.err
    assert "Not used" in ended.err
    assert traps.connections() == 0


async def test_tests_and_benchmarks_do_not_see_exported_addresses(traps: Traps) -> None:
    """A test run of its own, in a shell that has exported them."""
    probe = "import os, tests.conftest as c; c.pytest_configure(); print([n for n in os.environ if n in {}])"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", probe.replace("{}", repr(ADDRESSES))),
        env={**os.environ, **traps.exported},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (out.decode().strip(), "Not used" in err.decode()) == ("[]", True)


def addresses(settings: Settings) -> dict[str, str]:
    return {name: str(getattr(settings, name.lower())) for name in ADDRESSES}
