"""A TCP proxy on the loopback address that can delay traffic, block one or both directions, or cut connections.

With several upstreams it is a small load balancer: a connection goes to the first upstream that accepts it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Literal

from infra.local.ports import LOOPBACK

Direction = Literal["to_server", "to_client"]

_CHUNK_BYTES = 64 * 1024
_CHUNKS_HELD_MAX = 256
_CONNECT_WITHIN_S = 2.0


class Proxy:
    """`delay_s` is added to every chunk on its way to the client, that is once a round trip."""

    def __init__(self, upstreams: Sequence[int]) -> None:
        self.upstreams = list(upstreams)
        self.delay_s = 0.0
        self._passing: dict[Direction, asyncio.Event] = {"to_server": asyncio.Event(), "to_client": asyncio.Event()}
        for passing in self._passing.values():
            passing.set()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        assert self._server is not None, "start() comes first"
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.reset()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def block(self, *directions: Direction) -> None:
        """Hold all traffic in these directions without an error, as when packets are lost."""
        for direction in directions:
            self._passing[direction].clear()

    def heal(self) -> None:
        """Let bytes pass again on new connections; drop the old ones with the bytes that they held."""
        self.delay_s = 0.0
        self.reset()
        for passing in self._passing.values():
            passing.set()

    def reset(self) -> None:
        for connection in self._connections:
            connection.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._connect(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream: asyncio.StreamWriter | None = None
        try:
            opened = await self._open()
            if opened is None:
                return
            answers, upstream = opened
            pumps = [
                asyncio.create_task(self._pump(reader, upstream, "to_server")),
                asyncio.create_task(self._pump(answers, writer, "to_client")),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            for end in (writer, upstream):
                if end is not None:
                    end.transport.abort()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for port in list(self.upstreams):
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CONNECT_WITHIN_S):
                    return await asyncio.open_connection(LOOPBACK, port)
        return None

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction) -> None:
        """Carry bytes in one direction: in order, each chunk after the delay that was set when it arrived."""
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_CHUNKS_HELD_MAX)
        carrying = asyncio.create_task(self._carry(held, writer, direction))
        clock = asyncio.get_running_loop()
        try:
            while chunk := await reader.read(_CHUNK_BYTES):
                delay_s = self.delay_s if direction == "to_client" else 0.0
                await held.put((clock.time() + delay_s, chunk))
            await held.put((0.0, b""))
            await carrying
        except OSError:
            return
        finally:
            carrying.cancel()

    async def _carry(
        self, held: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, direction: Direction
    ) -> None:
        clock = asyncio.get_running_loop()
        while True:
            due_at, chunk = await held.get()
            if not chunk:
                return
            if (wait_s := due_at - clock.time()) > 0:
                await asyncio.sleep(wait_s)
            await self._passing[direction].wait()
            with contextlib.suppress(OSError):
                writer.write(chunk)
                await writer.drain()
