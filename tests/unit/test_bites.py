"""Every byte of a receiver counts, also those that TLS adds."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from infra.adapters.outside.bites import HANDSHAKE_BYTES_MAX, Bites, HandshakeCut
from tests.receivers.serving import HOST, make_certificates

BYTES_MAX = 1_000


class Wire:
    """The writer of a connection to a receiver in memory. What the receiver sends comes to `reader`."""

    def __init__(self, folder: Path, server: ssl.SSLContext | None = None) -> None:
        certificates = make_certificates(folder)
        self.trusted = ssl.create_default_context(cafile=certificates.ca_file)
        self.received = b""
        self.reader = asyncio.StreamReader()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = (server or certificates.server).wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._is_done = False

    def write(self, data: bytes) -> None:
        self._incoming.write(data)
        if not self._is_done:
            try:
                self._tls.do_handshake()
                self._is_done = True
            except ssl.SSLWantReadError:
                pass
        else:
            self.received += self._tls.read()
        self._pass_on()

    async def drain(self) -> None:
        """It has no buffer."""

    def answer(self, content: bytes) -> None:
        self._tls.write(content)
        self._pass_on()

    def _pass_on(self) -> None:
        if self._outgoing.pending:
            self.reader.feed_data(self._outgoing.read())

    def close(self) -> None:
        try:
            self._tls.unwrap()
        except ssl.SSLWantReadError:
            self._pass_on()


async def secured(wire: Wire) -> Bites:
    bites = Bites(wire.reader, wire, BYTES_MAX)  # type: ignore[arg-type]
    await bites.secure(wire.trusted, HOST)
    return bites


async def test_content_is_read_to_its_end(tmp_path: Path) -> None:
    wire = Wire(tmp_path)
    bites = await secured(wire)
    await bites.write(b"request")
    wire.answer(b"answer")
    wire.close()

    assert wire.received == b"request"
    assert (await bites.read(), await bites.read()) == (b"answer", b"")


async def test_an_end_without_a_farewell_is_an_end(tmp_path: Path) -> None:
    wire = Wire(tmp_path)
    bites = await secured(wire)
    wire.reader.feed_eof()

    assert await bites.read() == b""


async def test_the_records_around_tiny_parts_count(tmp_path: Path) -> None:
    wire = Wire(tmp_path)
    bites = await secured(wire)
    for _ in range(BYTES_MAX):
        wire.answer(b"x")

    read = b""
    while bite := await bites.read():
        read += bite
    assert bite is None
    assert 0 < len(read) < BYTES_MAX / 20, "a record takes at least 20 bytes more than its content"


async def test_others_have_their_turn_between_the_bites() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b"x" * BYTES_MAX)
    bites = Bites(reader, object(), BYTES_MAX)  # type: ignore[arg-type]
    turns: list[str] = []
    asyncio.get_running_loop().call_soon(turns.append, "another")

    assert await bites.read() == b"x" * BYTES_MAX
    assert turns == ["another"]
    assert await bites.read() is None


async def test_a_handshake_that_is_too_long_is_given_up(tmp_path: Path) -> None:
    names = [f"{number}.{'x' * 60}.test" for number in range(HANDSHAKE_BYTES_MAX // 60)]
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert(*names).configure_cert(server)

    with pytest.raises(HandshakeCut):
        await secured(Wire(tmp_path, server))


async def test_a_connection_that_is_closed_during_the_handshake_says_nothing_of_the_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(tmp_path)
    wire.reader.feed_eof()
    monkeypatch.setattr(wire, "write", lambda _: None)

    with pytest.raises(HandshakeCut):
        await secured(wire)


async def test_another_name_is_refused(tmp_path: Path) -> None:
    wire = Wire(tmp_path)
    bites: Any = Bites(wire.reader, wire, BYTES_MAX)  # type: ignore[arg-type]

    with pytest.raises(ssl.SSLCertVerificationError):
        await bites.secure(wire.trusted, "elsewhere.test")
