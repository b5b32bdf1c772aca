"""What a client may send before the application sees it is bounded in size and in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from infra.processes import http_protocol
from infra.processes.http_protocol import HEADER_BYTES_MAX, HEADERS_MAX, PIPELINED_MAX, BoundedHttp

pytestmark = pytest.mark.slow

GET = b"GET /x HTTP/1.1\r\nHost: a.example\r\n"
ANSWER_BYTES = 10


@dataclass
class Server:
    port: int
    seen: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    pause_s: float = 0.0

    async def send(self, *parts: bytes, within_s: float = 5.0, keep: bool = False) -> bytes:
        """Send the parts, and return everything until the server closes or, with `keep`, until an answer came."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            try:
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0)
                if keep:
                    return await asyncio.wait_for(reader.readuntil(b"ok-ok-ok-o"), within_s)
                return await asyncio.wait_for(reader.read(-1), within_s)
            except (ConnectionResetError, BrokenPipeError):
                return await asyncio.wait_for(reader.read(-1), within_s)
        finally:
            writer.close()

    async def status(self, *parts: bytes, keep: bool = False) -> int:
        return int((await self.send(*parts, keep=keep)).split(b" ")[1])


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr(http_protocol, "HEADERS_WITHIN_S", 0.4)
    monkeypatch.setattr(http_protocol, "BODY_WITHIN_S", 0.8)
    monkeypatch.setattr(http_protocol, "READS_WITHIN_S", 0.6)
    monkeypatch.setattr(http_protocol, "DISCARDED_WITHIN_S", 0.5)
    monkeypatch.setattr(http_protocol, "_LOOKS_EVERY_S", 0.05)
    found = Server(0)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.seen.append(scope)
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        found.bodies.append(body)
        await asyncio.sleep(found.pause_s)
        headers = [(b"content-length", b"%d" % ANSWER_BYTES)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok-ok-ok-o"})

    config = Config(app, http=BoundedHttp, ws="none", lifespan="off", log_config=None, timeout_keep_alive=2)
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(
        lambda: BoundedHttp(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    found.port = listener.sockets[0].getsockname()[1]
    async with listener:
        yield found
        for connection in list(state.connections):
            connection.transport.abort()


async def has_ended(reader: asyncio.StreamReader) -> bool:
    try:
        while await asyncio.wait_for(reader.read(100), 0.05):
            pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
    return True


class TestNumber:
    @pytest.mark.parametrize(
        "sent", [b"", GET, GET + b"\r\n", b"POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 9\r\n\r\nab"]
    )
    async def test_connections_that_wait_for_their_client_make_room(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, sent: bytes
    ) -> None:
        monkeypatch.setattr(http_protocol, "CONNECTIONS_MAX", 5)
        monkeypatch.setattr(http_protocol, "HEADERS_WITHIN_S", 60.0)
        monkeypatch.setattr(http_protocol, "BODY_WITHIN_S", 60.0)
        crowd = []
        for _ in range(8):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(sent)
            crowd.append((reader, writer))
            await asyncio.sleep(0.01)
        assert await server.status(GET + b"\r\n", keep=True) == 200
        # The oldest four of nine connections have ended.
        assert [await has_ended(reader) for reader, _ in crowd] == [True] * 4 + [False] * 4
        for _, writer in crowd:
            writer.close()

    async def test_a_request_that_is_being_answered_keeps_its_connection(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http_protocol, "CONNECTIONS_MAX", 2)
        server.pause_s = 0.3
        answer = asyncio.create_task(server.status(GET + b"\r\n", keep=True))
        await asyncio.sleep(0.05)
        crowd = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(6)]
        assert await answer == 200
        for _, writer in crowd:
            writer.close()


class TestPipelining:
    async def test_a_few_requests_may_wait_for_their_turn(self, server: Server) -> None:
        answer = await server.send((GET + b"\r\n") * PIPELINED_MAX + GET + b"Connection: close\r\n\r\n")
        assert answer.count(b" 200 ") == PIPELINED_MAX + 1

    async def test_a_connection_with_many_ends(self, server: Server) -> None:
        """uvicorn would keep them all, however many a client sends before it reads."""
        server.pause_s = 60.0
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write((GET + b"\r\n") * 10_000)
        with suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(-1), 3) == b""
        assert len(server.seen) == 1
        writer.close()


class TestSize:
    async def test_usual_requests_are_answered(self, server: Server) -> None:
        assert await server.status(GET + b"\r\n", keep=True) == 200
        token = b"Authorization: Bearer " + b"x" * 8192 + b"\r\n"
        assert await server.status(GET + token + b"\r\n", keep=True) == 200
        many = b"".join(b"X-%d: y\r\n" % number for number in range(HEADERS_MAX - 1))
        assert await server.status(GET + many + b"\r\n", keep=True) == 200

    @pytest.mark.parametrize("chunk", [1 << 12, 1 << 20])
    async def test_one_endless_header_is_refused(self, server: Server, chunk: int) -> None:
        whole = GET + b"X: " + b"y" * (8 << 20) + b"\r\n\r\n"
        parts = [whole[at : at + chunk] for at in range(0, len(whole), chunk)]
        assert await server.status(*parts) == 431
        assert server.seen == []

    async def test_an_unfinished_endless_header_is_refused(self, server: Server) -> None:
        assert await server.status(GET + b"X: ", *[b"y" * HEADER_BYTES_MAX] * 8) == 431

    async def test_an_endless_name_of_a_header_is_refused(self, server: Server) -> None:
        assert await server.status(GET, *[b"x" * HEADER_BYTES_MAX] * 8) == 431

    async def test_a_refused_client_cannot_go_on_sending(self, server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(GET + b"X: " + b"y" * HEADER_BYTES_MAX * 8)
        assert b" 431 " in await reader.read(100)
        begun = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() - begun < 5:
                writer.write(b"y" * 65_536)
                await writer.drain()
                await asyncio.sleep(0.01)
        assert time.monotonic() - begun < 3
        writer.close()

    async def test_many_small_headers_are_refused(self, server: Server) -> None:
        many = b"".join(b"X-%d: y\r\n" % number for number in range(HEADERS_MAX))
        assert await server.status(GET + many + b"\r\n") == 431

    async def test_an_endless_address_is_refused(self, server: Server) -> None:
        assert await server.status(b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n") in (414, 431)
        assert await server.status(b"GET /", *[b"x" * 4096] * 40) in (414, 431)

    async def test_a_large_body_after_small_headers_is_read(self, server: Server) -> None:
        body = b"z" * (1 << 20)
        head = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
        assert await server.status(head + body, keep=True) == 200
        small = b"".join(b"1\r\nz\r\n" for _ in range(50_000))
        chunked = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert await server.status(chunked + small, b"0\r\n\r\n", keep=True) == 200
        assert [len(each) for each in server.bodies] == [1 << 20, 50_000]

    async def test_endless_extensions_and_trailers_of_a_chunked_body_are_refused(self, server: Server) -> None:
        chunked = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        filler = [b"y" * 65_536] * 64
        for begin in (b"1;e=", b"1\r\nz\r\n0\r\nX: "):
            assert await server.status(chunked + begin, *filler) in (400, 431)
        assert server.bodies == []

    async def test_trailers_are_no_headers(self, server: Server) -> None:
        chunked = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        trailer = b"1\r\nz\r\n0\r\nAuthorization: Bearer x\r\nHost: b\r\n\r\n"
        assert await server.status(chunked, trailer, keep=True) == 200
        assert [name for name, _ in server.seen[-1]["headers"]] == [b"host", b"transfer-encoding"]


class TestHost:
    @pytest.mark.parametrize(
        "headers",
        [
            b"",
            b"Host: a\r\nHost: a\r\n",
            b"Host: a\r\nhOsT: b\r\n",
            b"Host:\r\n",
            b"Host: a b\r\n",
            b"Host: a/b\r\n",
            b"Host: user@a\r\n",
            b"Host: a:port\r\n",
            b"Host: a,b\r\n" * 2,
            b"Host: a\\b\r\n",
        ],
        ids=str,
    )
    async def test_there_is_exactly_one_host(self, server: Server, headers: bytes) -> None:
        assert await server.status(b"GET /x HTTP/1.1\r\n" + headers + b"\r\n") == 400
        assert server.seen == []

    @pytest.mark.parametrize("host", [b"a.example", b"127.0.0.1:8080", b"[::1]:8080", b"a_b.example"])
    async def test_a_usual_host_is_accepted(self, server: Server, host: bytes) -> None:
        assert await server.status(b"GET /x HTTP/1.1\r\nHost: " + host + b"\r\n\r\n", keep=True) == 200


class TestTime:
    async def slow(self, server: Server, write: Callable[[int], bytes]) -> tuple[float, bytes]:
        """How long a client may go on that sends one part every 50 ms."""
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        begun = time.monotonic()
        reading = asyncio.create_task(reader.read(-1))
        number = 0
        while not reading.done() and time.monotonic() - begun < 4:
            if part := write(number):
                writer.write(part)
            number += 1
            await asyncio.sleep(0.05)
        answer = await asyncio.wait_for(reading, 1)
        writer.close()
        return time.monotonic() - begun, answer

    @pytest.mark.parametrize(
        "write",
        [
            lambda number: b"",
            lambda number: GET if number == 0 else b"",
            lambda number: GET if number == 0 else b"X-%d: y\r\n" % number,
            lambda number: b"\r\n",
        ],
        ids=["silent", "half", "drip", "line ends"],
    )
    async def test_a_request_that_does_not_come_is_ended(self, server: Server, write: Callable[[int], bytes]) -> None:
        took_s, answer = await self.slow(server, write)
        assert took_s < 1.5
        assert b" 408 " in answer

    async def test_a_body_that_does_not_come_is_ended(self, server: Server) -> None:
        head = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
        took_s, answer = await self.slow(server, lambda number: head if number == 0 else b"z")
        assert 0.5 < took_s < 2
        assert b" 408 " in answer
        assert server.bodies == []

    async def test_a_second_request_has_the_same_limits(self, server: Server) -> None:
        took_s, answer = await self.slow(server, lambda number: GET + b"\r\n" if number == 0 else b"G"[number - 1 :])
        assert took_s < 2.5
        assert answer.startswith(b"HTTP/1.1 200")
        assert b" 408 " in answer

    async def test_line_ends_after_an_answer_keep_no_connection_open(self, server: Server) -> None:
        took_s, _ = await self.slow(server, lambda number: GET + b"\r\n" if number == 0 else b"\r\n")
        assert took_s < 2.5

    async def test_a_slow_answer_is_waited_for(self, server: Server) -> None:
        server.pause_s = 1.2
        assert await server.status(GET + b"\r\n", keep=True) == 200
        body = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nz"
        assert await server.status(body, keep=True) == 200

    async def test_a_client_that_reads_no_answer_is_cut_off(self, server: Server) -> None:
        """It asks again and again: without a limit, its answers wait in memory for ever."""
        loop = asyncio.get_running_loop()
        lost = loop.create_future()
        transport = _Unread(loop)
        protocol = BoundedHttp(
            config=Config(_large, http=BoundedHttp, ws="none", lifespan="off", log_config=None),
            server_state=ServerState(),
            app_state={},
        )

        def lose() -> None:
            protocol.connection_lost(None)
            lost.set_result(True)

        transport.lost = lose
        protocol.connection_made(transport)  # type: ignore[arg-type]
        protocol.data_received((GET + b"\r\n") * 3)
        protocol.pause_writing()
        await asyncio.wait_for(lost, 3)


class _Unread:
    """A transport whose peer reads nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.lost: Callable[[], Any] = lambda: None
        self.aborted = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def abort(self) -> None:
        if not self.aborted:
            self.aborted = True
            self._loop.call_soon(self.lost)


async def _large(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
    await send({"type": "http.response.body", "body": b"z" * 9})
