"""Servers on loopback in the loop of the test, with certificates of their own authority."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
import uvicorn
from starlette.applications import Starlette

HOST = "hooks.test"
"""A name that only the tests' own resolver knows."""


@dataclass(frozen=True)
class Certificates:
    ca_file: Path
    server: ssl.SSLContext
    """For HOST and localhost."""

    other: ssl.SSLContext
    """For another name."""


def make_certificates(folder: Path) -> Certificates:
    authority = trustme.CA()
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    contexts = []
    for names in ((HOST, "localhost", "127.0.0.1"), ("other.test",)):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(context)
        contexts.append(context)
    return Certificates(ca_file, *contexts)


async def resolve_here(host: str, port: int) -> list[str]:
    """Every name is on this machine."""
    return ["127.0.0.1"]


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_ready.set()


@asynccontextmanager
async def serving(app: Starlette, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Serve the app over TLS; yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none")
    config.load()
    config.ssl = context
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.is_ready.wait()
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = server.force_exit = True
        await task


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Misbehaving:
    """A server that reads a request and then follows a script. `requests` are those it has read."""

    port: int = 0
    requests: int = 0


@asynccontextmanager
async def misbehaving(script: Script, context: ssl.SSLContext | None = None) -> AsyncIterator[Misbehaving]:
    """Serve plain HTTP, or over TLS, one connection after the other following the script."""
    book = Misbehaving()
    open_tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        book.requests += 1
        try:
            await script(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        open_tasks.add(task)
        task.add_done_callback(open_tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    book.port = server.sockets[0].getsockname()[1]
    try:
        yield book
    finally:
        server.close()
        for task in open_tasks:
            task.cancel()
        await asyncio.gather(*open_tasks, return_exceptions=True)
