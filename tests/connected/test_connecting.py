"""A connection attempt to RabbitMQ that is cancelled or times out leaves no task in the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from infra.adapters import rabbitmq as broker
from infra.ports.messaging import BrokerUnavailable


@pytest.fixture
async def mute_server() -> AsyncIterator[str]:
    """The URL of a server that accepts connections and never sends anything."""
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    yield f"amqp://guest:guest@{host}:{port}/"
    server.close()


async def tasks_left(before: set[asyncio.Task[object]]) -> list[str]:
    """Tasks that still run after each was cancelled once, as a loop does at its end."""
    left = asyncio.all_tasks() - before
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=1.0)
    return [repr(task) for task in left if not task.done()]


async def test_a_cancelled_attempt_leaves_no_task(mute_server: str) -> None:
    before = asyncio.all_tasks()
    connecting = asyncio.create_task(broker.connect(mute_server))
    await asyncio.sleep(0.1)

    connecting.cancel()
    await asyncio.wait([connecting], timeout=1.0)

    assert connecting.cancelled()
    assert await tasks_left(before) == []


async def test_an_attempt_that_takes_too_long_leaves_no_task(mute_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "_CONNECT_TIMEOUT_S", 0.1)
    before = asyncio.all_tasks()

    with pytest.raises(BrokerUnavailable):
        await broker.connect(mute_server)

    assert await tasks_left(before) == []
