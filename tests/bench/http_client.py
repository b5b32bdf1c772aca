"""A minimal HTTP client with kept connections, so that measurements show the server and not the client.

It works with our own API on this machine only: every answer must have a content length.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

_IDLE_MAX_S = 5.0
"""Shorter than the server keeps an idle connection."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    @property
    def object(self) -> Any:
        return json.loads(self.body)


class _Connection(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@dataclass(slots=True)
class HttpClient:
    """Opens a connection whenever all others are waiting, like many clients together."""

    host: str
    port: int
    _idle: list[tuple[float, _Connection]] = field(default_factory=list)
    """Idle connections with the time since when; the last used one is last."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close_idle()

    async def get(self, path: str, token: str | None = None) -> Answer:
        """Send again where the server has closed a kept connection, as every client does."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            return await self._send("GET", path, headers, b"")
        except (EOFError, ConnectionError):
            # Other idle connections may be closed too.
            self._close_idle()
            return await self._send("GET", path, headers, b"")

    async def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        return await self._send("POST", path, {"Content-Type": "application/json"}, json.dumps(body).encode())

    async def _send(self, method: str, path: str, extra: Mapping[str, str], body: bytes) -> Answer:
        """Raises OSError, or EOFError where the server closes without an answer."""
        reader, writer = connection = await self._connection()
        headers = {"Host": f"{self.host}:{self.port}", **extra}
        if body:
            headers["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        try:
            writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
            status, length = _status_and_length(await reader.readuntil(b"\r\n\r\n"))
            answer = Answer(status, await reader.readexactly(length))
        except BaseException:
            writer.close()
            raise
        self._idle.append((time.monotonic(), connection))
        return answer

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop()[1].writer.close()

    async def _connection(self) -> _Connection:
        while self._idle and self._idle[0][0] < time.monotonic() - _IDLE_MAX_S:
            self._idle.pop(0)[1].writer.close()
        if self._idle:
            return self._idle.pop()[1]
        return _Connection(*await asyncio.open_connection(self.host, self.port))


def _status_and_length(head: bytes) -> tuple[int, int]:
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split(" ", 2)[1]), int(headers.get("content-length", "0"))
