"""One call to an address that a person defined: guarded, bounded in time and bytes, without redirects or repeats."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import h11

from contracts.wire.answer import RETRY_AFTER_MAX_S, Answer, Outcome
from infra.adapters.outside.bites import BITE_BYTES, Bites
from infra.ports.time import Time
from infra.receivers.guard import Guard, HostUnknown, Receiver, ReceiverRefused

ANSWER_BYTES_MAX = 64 * 1024
"""Of everything that is read of an answer, with its headers, the frames of its chunks and the records of TLS."""

CONNECTS_MAX = 4
"""Addresses of one host that are tried before its first byte is sent."""

_OWN_HEADERS = {"accept-encoding": "identity", "user-agent": "tributary", "connection": "close"}


@dataclass(frozen=True, slots=True)
class Post:
    """What is sent where. All of it may be secret."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Get:
    """What is asked for. All of it may be secret."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the receiver answered. `body` is None if it was too large or did not end in time; people never see it.
    Headers have names in lower case.
    """

    host: str
    status: int
    at: datetime
    retry_after_s: int | None = None
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def answer(self, outcome: Outcome, code: str, detail: str) -> Answer:
        return Answer(outcome, code, f"{self.host} {detail}", self.at, retry_after_s=self.retry_after_s)


@dataclass(slots=True)
class _Progress:
    """How far a call has come when it ends early."""

    has_written: bool = False
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


class Https:
    """Makes calls. `trusted` checks the certificates; proxies of the environment are not used."""

    def __init__(self, guard: Guard, trusted: ssl.SSLContext, deadline_s: float, time: Time) -> None:
        self._guard = guard
        self._trusted = trusted
        self._deadline_s = deadline_s
        self._time = time

    async def call(self, request: Post | Get, host: str) -> Reply | Answer:
        """The receiver's reply, or the answer to a call without one. `host` is how people know the receiver."""
        progress = _Progress()
        failure: Exception | None = None
        try:
            async with asyncio.timeout(self._deadline_s):
                receiver = await self._guard.check(request.url)
                await self._exchange(receiver, request, progress)
        except HostUnknown as error:
            return Answer("unavailable", error.code, error.detail, self._time.now())
        except ReceiverRefused as error:
            return Answer("refused", error.code, error.detail, self._time.now())
        except (TimeoutError, h11.ProtocolError, OSError) as error:
            failure = error
        if progress.status is not None:
            now = self._time.now()
            retry_after_s = _retry_after_s(progress.headers, now)
            return Reply(host, progress.status, now, retry_after_s, progress.body, progress.headers)
        return self._without_reply(host, progress, failure)

    async def _exchange(self, receiver: Receiver, request: Post | Get, progress: _Progress) -> None:
        async with self._connected(receiver) as bites:
            if receiver.url.scheme == "https":
                await bites.secure(self._trusted, receiver.host)
            connection = h11.Connection(h11.CLIENT)
            progress.has_written = True
            await bites.write(_request(connection, receiver, request))
            await _read(connection, bites, progress)

    @asynccontextmanager
    async def _connected(self, receiver: Receiver) -> AsyncIterator[Bites]:
        """A connection to the first checked address that takes one."""
        addresses = receiver.addresses[:CONNECTS_MAX]
        for address in addresses:
            try:
                async with asyncio.timeout(self._deadline_s / len(addresses)):
                    reader, writer = await asyncio.open_connection(address, receiver.port, limit=BITE_BYTES)
                break
            except OSError:
                if address == addresses[-1]:
                    raise
        try:
            yield Bites(reader, writer, ANSWER_BYTES_MAX)
        finally:
            writer.transport.abort()

    def _without_reply(self, host: str, progress: _Progress, failure: Exception | None) -> Answer:
        now = self._time.now()
        if progress.has_written:
            return Answer("unknown", "no_answer", f"{host} got the message and gave no readable answer.", now)
        if isinstance(failure, ssl.SSLError):
            detail = f"{host} has no valid certificate for its name; its operator must renew or correct it."
            return Answer("unavailable", "tls_failed", detail, now)
        return Answer("unavailable", "not_connected", f"{host} does not accept connections.", now)


def _request(connection: h11.Connection, receiver: Receiver, request: Post | Get) -> bytes:
    headers = {
        **_OWN_HEADERS,
        **{name.lower(): value for name, value in request.headers.items()},
        "host": receiver.url.netloc.decode("ascii"),
    }
    events: list[h11.Data | h11.EndOfMessage] = [h11.EndOfMessage()]
    if isinstance(request, Post):
        headers["content-length"] = str(len(request.body))
        events.insert(0, h11.Data(data=request.body))
    method = "POST" if isinstance(request, Post) else "GET"
    head = h11.Request(method=method, target=receiver.url.raw_path, headers=[*headers.items()])
    return b"".join(connection.send(event) or b"" for event in (head, *events))


async def _read(connection: h11.Connection, bites: Bites, progress: _Progress) -> None:
    """Read the answer, up to the limit."""
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            bite = await bites.read()
            if bite is None:
                return
            connection.receive_data(bite)
        elif isinstance(event, h11.Response):
            progress.status = event.status_code
            progress.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        elif isinstance(event, h11.Data):
            body += event.data
        elif not isinstance(event, h11.InformationalResponse):
            progress.body = bytes(body)
            return


def _retry_after_s(headers: Mapping[str, str], now: datetime) -> int | None:
    """Seconds from a number or a date, at most RETRY_AFTER_MAX_S; None if there is none that can be read."""
    written = headers.get("retry-after", "").strip()
    if written.isascii() and written.isdigit():
        return min(int(written[:10]), RETRY_AFTER_MAX_S)
    try:
        until = parsedate_to_datetime(written)
    except (ValueError, OverflowError):
        return None
    wait = until.replace(tzinfo=until.tzinfo or UTC) - now
    return max(0, min(int(wait.total_seconds()), RETRY_AFTER_MAX_S))


def answer_of_status(reply: Reply) -> Answer:
    """What the status alone means: 2xx is delivered."""
    status = reply.status
    if 200 <= status < 300:
        return reply.answer("done", "delivered", f"answered {status}.")
    if status == 410:
        return reply.answer("refused", "gone", "answered 410: it is gone, and asks for nothing more.")
    if status in (408, 425, 429) or status >= 500:
        code = "rate_limited" if status == 429 else "receiver_unavailable"
        return reply.answer("unavailable", code, f"answered {status}; it is tried again later.")
    if 300 <= status < 400:
        detail = f"answered {status}: redirects are not followed; give its final address instead."
        return reply.answer("refused", "redirected", detail)
    detail = f"answered {status}: it does not accept the message; check address and secret at the receiver."
    return reply.answer("refused", "rejected", detail)
