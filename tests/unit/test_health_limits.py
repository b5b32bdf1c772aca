"""The health port answers probes, whatever else is connected to it, and ends what sends nothing or too much."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from infra.processes import health, health_protocol
from infra.telemetry.readiness import Readiness

pytestmark = pytest.mark.slow

GET = b"GET /livez HTTP/1.0\r\n\r\n"


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(health_protocol, "REQUEST_WITHIN_S", 0.4)
    monkeypatch.setattr(health_protocol, "CONNECTION_WITHIN_S", 0.8)

    async def nothing() -> dict[str, str]:
        return {}

    async def refreshed() -> None:
        return None

    server = health.server(health.application(Readiness(), nothing, refreshed))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
            await asyncio.sleep(0.01)
        yield int(listener.getsockname()[1])
        server.should_exit = True
        await serving


async def sent(port: int, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """Everything that comes until the server closes; an abort adds nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = b""
    try:
        with suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause_s)
            while chunk := await asyncio.wait_for(reader.read(4096), 3):
                found += chunk
    finally:
        writer.close()
    return found


async def test_a_probe_is_answered(port: int) -> None:
    assert b'{"status": "alive"}' in await sent(port, GET)


@pytest.mark.parametrize(
    "parts",
    [(), (b"GET /livez HTTP/1.1\r\nHost: a\r\n",), (b"GET /livez HT",) + (b"",) * 20, (b"x: 1\r\n",) * 30],
)
async def test_half_a_request_ends(port: int, parts: tuple[bytes, ...]) -> None:
    began = time.monotonic()
    await sent(port, *parts, pause_s=0.02)
    assert time.monotonic() - began < 2.0


async def test_a_connection_that_keeps_asking_ends(port: int) -> None:
    began = time.monotonic()
    await sent(port, *(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n",) * 15, pause_s=0.1)
    assert time.monotonic() - began < 3.0


async def test_an_endless_header_is_refused(port: int) -> None:
    answer = await sent(port, b"GET /livez HTTP/1.1\r\nHost: a\r\nx: ", *(b"y" * 1024,) * 32)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")


async def test_a_probe_comes_through_a_crowd(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_protocol, "CONNECTIONS_MAX", 10)
    monkeypatch.setattr(health_protocol, "REQUEST_WITHIN_S", 30.0)
    crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(30)]
    try:
        for _ in range(5):
            assert b"alive" in await sent(port, GET)
        ended = [await _has_ended(reader) for reader, _ in crowd]
        assert sum(ended) >= 20
    finally:
        for _, writer in crowd:
            writer.close()


async def _has_ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(1), 0.02) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True
