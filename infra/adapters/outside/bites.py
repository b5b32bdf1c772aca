"""What a receiver sends, read in small bites: each byte counts, whether it is content, a frame or a record of TLS.

The TLS of asyncio works on a quarter of a megabyte in one step, in which no other call goes on, and records without
content never reach its reader: how many there are would be the receiver's choice.
"""

from __future__ import annotations

import asyncio
import ssl

BITE_BYTES = 4 * 1024
"""What is read and understood at once. Chunks of one byte make seven hundred events of it: some milliseconds."""

HANDSHAKE_BYTES_MAX = 64 * 1024
"""A chain of certificates takes some thousand."""


class HandshakeCut(OSError):
    """The receiver closed the connection, or sent more than any certificates take: its certificate is not known."""


class Bites:
    """A connection; `bytes_max` may be read of it once the handshake is over."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, bytes_max: int) -> None:
        self._reader = reader
        self._writer = writer
        self._bytes_max = bytes_max
        self._left = bytes_max
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None

    async def secure(self, trusted: ssl.SSLContext, host: str) -> None:
        """Begin TLS; the certificate must be that of the host's name. Raises OSError."""
        tls = trusted.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._left = HANDSHAKE_BYTES_MAX
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                if not await self._receive():
                    raise HandshakeCut from None
            except ssl.SSLEOFError as error:
                raise HandshakeCut from error
        await self._flush()
        self._tls, self._left = tls, self._bytes_max

    async def write(self, content: bytes) -> None:
        if self._tls is None:
            self._writer.write(content)
        else:
            self._tls.write(content)
        await self._flush()

    async def read(self) -> bytes | None:
        """A bite of content, empty at the end; None if the limit is reached."""
        if self._tls is None:
            return await self._bite()
        while True:
            try:
                return self._tls.read(BITE_BYTES)
            except ssl.SSLWantReadError:
                if not await self._receive():
                    return None
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    async def _receive(self) -> bool:
        """Pass a bite to TLS, and the answers that TLS itself makes to the receiver; False if the limit is reached."""
        await self._flush()
        bite = await self._bite()
        if bite:
            self._incoming.write(bite)
        elif bite is not None:
            self._incoming.write_eof()
        return bite is not None

    async def _bite(self) -> bytes | None:
        if self._left <= 0:
            return None
        # Others have their turn, also while the next bite is here already.
        await asyncio.sleep(0)
        bite = await self._reader.read(min(BITE_BYTES, self._left))
        self._left -= len(bite)
        return bite

    async def _flush(self) -> None:
        if self._outgoing.pending:
            self._writer.write(self._outgoing.read())
        await self._writer.drain()
