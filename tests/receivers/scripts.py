"""How a server misbehaves after it has read the whole request."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


async def hang(reader: StreamReader, writer: StreamWriter) -> None:
    await asyncio.sleep(60)


async def cut(reader: StreamReader, writer: StreamWriter) -> None:
    """End the connection without an answer."""


async def cut_in_headers(reader: StreamReader, writer: StreamWriter) -> None:
    writer.write(OK)
    await writer.drain()


async def cut_in_body(reader: StreamReader, writer: StreamWriter) -> None:
    writer.write(OK + b'content-length: 1000\r\n\r\n{"errcode":')
    await writer.drain()


async def answer_garbage(reader: StreamReader, writer: StreamWriter) -> None:
    writer.write(b"\x00\xff this is not HTTP\r\n\r\n")
    await writer.drain()


async def drip_headers(reader: StreamReader, writer: StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x-more: 1\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def send_huge_headers(reader: StreamReader, writer: StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nx-huge: ")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def send_endless_1xx(reader: StreamReader, writer: StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)
        await writer.drain()


async def send_tiny_chunks(reader: StreamReader, writer: StreamWriter) -> None:
    writer.write(OK + b"transfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\nx\r\n" * 10_000)
        await writer.drain()


async def drip_body(reader: StreamReader, writer: StreamWriter) -> None:
    writer.write(OK + b"content-length: 100000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def send_10_gb(reader: StreamReader, writer: StreamWriter) -> None:
    writer.write(OK + b"content-length: 10000000000\r\n\r\n")
    while True:
        writer.write(b'{"errcode":0}   ' * 4096)
        await writer.drain()
