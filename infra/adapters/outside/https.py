"""One POST to an address that a person defined: guarded, bounded in time and bytes, without redirects or repeats."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from contracts.wire.answer import RETRY_AFTER_MAX_S, Answer, Outcome
from infra.ports.time import Time
from infra.receivers.guard import Guard, HostUnknown, Receiver, ReceiverRefused

ANSWER_BYTES_MAX = 64 * 1024
"""Of the body; httpx bounds the headers at 100 kB."""

CONNECTS_MAX = 4
"""Addresses of one host that are tried before its first byte is sent."""

_HEADERS = {"accept-encoding": "identity", "user-agent": "tributary"}

# They log addresses, and the key of a chat robot is in its address.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Post:
    """What is sent where. All of it may be secret."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the receiver answered. `body` is None if it was too large or did not end in time; people never see it."""

    host: str
    status: int
    at: datetime
    retry_after_s: int | None = None
    body: bytes | None = field(default=None, repr=False)

    def answer(self, outcome: Outcome, code: str, detail: str) -> Answer:
        return Answer(outcome, code, f"{self.host} {detail}", self.at, retry_after_s=self.retry_after_s)


@dataclass(slots=True)
class _Progress:
    """How far a call has come when it ends early."""

    has_written: bool = False
    status: int | None = None
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    body: bytes | None = None

    async def trace(self, event: str, _: object) -> None:
        self.has_written |= event == "http11.send_request_headers.started"


class Https:
    """Makes calls. `trusted` checks the certificates; proxies of the environment are not used."""

    def __init__(self, guard: Guard, trusted: ssl.SSLContext, deadline_s: float, time: Time) -> None:
        self._guard = guard
        self._trusted = trusted
        self._deadline_s = deadline_s
        self._time = time

    async def post(self, post: Post, host: str) -> Reply | Answer:
        """The receiver's reply, or the answer to a call without one. `host` is how people know the receiver."""
        progress = _Progress()
        failure: Exception
        try:
            async with asyncio.timeout(self._deadline_s):
                receiver = await self._guard.check(post.url)
                await self._exchange(receiver, post, progress)
        except HostUnknown as error:
            return Answer("unavailable", error.code, error.detail, self._time.now())
        except ReceiverRefused as error:
            return Answer("refused", error.code, error.detail, self._time.now())
        except (TimeoutError, httpx.HTTPError, OSError) as error:
            failure = error
        if progress.status is not None:
            now = self._time.now()
            return Reply(host, progress.status, now, _retry_after_s(progress.headers, now), progress.body)
        return self._without_reply(host, progress, failure)

    async def _exchange(self, receiver: Receiver, post: Post, progress: _Progress) -> None:
        addresses = receiver.addresses[:CONNECTS_MAX]
        timeout = httpx.Timeout(None, connect=self._deadline_s / len(addresses))
        transport = httpx.AsyncHTTPTransport(verify=self._trusted, trust_env=False)
        async with httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False) as client:
            for address in addresses:
                try:
                    await _send(client, receiver, address, post, progress)
                    break
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    if address == addresses[-1]:
                        raise

    def _without_reply(self, host: str, progress: _Progress, failure: Exception) -> Answer:
        now = self._time.now()
        if progress.has_written:
            return Answer("unknown", "no_answer", f"{host} got the message and gave no readable answer.", now)
        if isinstance(failure, httpx.ConnectError) and "SSL" in str(failure):
            detail = f"{host} has no valid certificate for its name; its operator must renew or correct it."
            return Answer("unavailable", "tls_failed", detail, now)
        return Answer("unavailable", "not_connected", f"{host} does not accept connections.", now)


async def _send(client: httpx.AsyncClient, receiver: Receiver, address: str, post: Post, progress: _Progress) -> None:
    """Connect to the checked address, with the name of the host for its certificate and in the request."""
    host = {"host": receiver.url.netloc.decode("ascii")}
    async with client.stream(
        "POST",
        receiver.url.copy_with(host=address),
        headers={**_HEADERS, **post.headers, **host},
        content=post.body,
        follow_redirects=False,
        extensions={"sni_hostname": receiver.host, "trace": progress.trace},
    ) as response:
        progress.status, progress.headers = response.status_code, response.headers
        body = bytearray()
        async for part in response.aiter_raw():
            body += part
            if len(body) > ANSWER_BYTES_MAX:
                return
        progress.body = bytes(body)


def _retry_after_s(headers: httpx.Headers, now: datetime) -> int | None:
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
