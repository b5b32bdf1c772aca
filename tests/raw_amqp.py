"""A sender that writes its own AMQP frames, to send legal messages that client libraries cannot send."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import unquote, urlsplit

import pamqp.frame
from pamqp import commands as spec
from pamqp.header import ProtocolHeader

_METHOD, _HEADER, _BODY, _END = 1, 2, 3, b"\xce"
_CHANNEL = 1
_BASIC, _PUBLISH = 60, 40
_ANSWER_WITHIN_S = 10.0
_CLOSES = {struct.pack(">I", frame.index) for frame in (spec.Channel.Close, spec.Connection.Close)}

FLAGS = spec.Basic.Properties.flags
NOT_UTF8 = b"\xff\xfe\x00\xc3("


class RefusedByBroker(Exception):
    """The broker closed the channel or the connection because of a frame; the text is its reason."""


def short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def table(entries: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A field table of (name, value) pairs; each value begins with its type, see `long_string`."""
    content = b"".join(short(name) + value for name, value in entries)
    return struct.pack(">I", len(content)) + content


def long_string(text: bytes) -> bytes:
    return b"S" + struct.pack(">I", len(text)) + text


def timestamp(value: int) -> bytes:
    return struct.pack(">Q", value)


def persistent(content_type: str | None, /, **properties: bytes) -> dict[str, bytes]:
    """The properties of a persistent message, and further ones by pamqp's names, as bytes."""
    return {"content_type": short((content_type or "").encode()), "delivery_mode": b"\x02", **properties}


class RawSender:
    """One connection and one channel with confirms. Properties have pamqp's names and values as bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def publish(
        self, exchange: bytes, routing_key: bytes, body: bytes, properties: Mapping[str, bytes] | None = None
    ) -> None:
        """Return when the broker has confirmed the message. Raises RefusedByBroker."""
        given = properties or {}
        named = [name for name in spec.Basic.Properties.__slots__ if name in given]
        flags = sum(FLAGS[name] for name in named)
        method = struct.pack(">HHH", _BASIC, _PUBLISH, 0) + short(exchange) + short(routing_key) + b"\x00"
        header = struct.pack(">HHQH", _BASIC, 0, len(body), flags) + b"".join(given[name] for name in named)
        frames = [(_METHOD, method), (_HEADER, header), *([(_BODY, body)] if body else [])]
        for kind, payload in frames:
            self._writer.write(struct.pack(">BHI", kind, _CHANNEL, len(payload)) + payload + _END)
        await self._expect(spec.Basic.Ack)

    async def _send(self, frame: pamqp.frame.FrameTypes, channel: int) -> None:
        self._writer.write(pamqp.frame.marshal(frame, channel))
        await self._writer.drain()

    async def _expect(self, kind: type) -> object:
        while True:
            head = await asyncio.wait_for(self._reader.readexactly(7), _ANSWER_WITHIN_S)
            size = struct.unpack(">I", head[3:])[0]
            payload = await self._reader.readexactly(size + 1)
            if head[0] == _METHOD and payload[:4] in _CLOSES:
                # The reason repeats the frame's content, which may not be text.
                raise RefusedByBroker(payload[7 : 7 + payload[6]].decode(errors="backslashreplace"))
            frame = pamqp.frame.unmarshal(head + payload)[2]
            if isinstance(frame, kind):
                return frame

    async def _open(self, user: str, password: str, vhost: str) -> None:
        self._writer.write(ProtocolHeader().marshal())
        await self._expect(spec.Connection.Start)
        await self._send(
            spec.Connection.StartOk(mechanism="PLAIN", response=f"\0{user}\0{password}", locale="en_US"), 0
        )
        await self._expect(spec.Connection.Tune)
        await self._send(spec.Connection.TuneOk(channel_max=10, frame_max=131_072, heartbeat=0), 0)
        await self._send(spec.Connection.Open(virtual_host=vhost), 0)
        await self._expect(spec.Connection.OpenOk)
        await self._send(spec.Channel.Open(), _CHANNEL)
        await self._expect(spec.Channel.OpenOk)
        await self._send(spec.Confirm.Select(), _CHANNEL)
        await self._expect(spec.Confirm.SelectOk)


@asynccontextmanager
async def raw_sender(url: str) -> AsyncIterator[RawSender]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 5672)
    try:
        sender = RawSender(reader, writer)
        vhost = unquote(parts.path[1:]) or "/"
        await sender._open(unquote(parts.username or "guest"), unquote(parts.password or "guest"), vhost)
        yield sender
    finally:
        writer.close()
