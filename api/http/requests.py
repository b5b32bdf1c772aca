"""Middleware for every request: an id, a log line, security headers, no cookie but ours, the limit of its body."""

from __future__ import annotations

import ipaddress
import re
import time
from typing import Any
from uuid import uuid4

import structlog
from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.problems import Problem, problem_response

log = structlog.get_logger()

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
_DISCARDED_TIMES = 8
"""A body up to this multiple of the limit is read to its end before it is refused."""

SMALL_BODY_BYTES_MAX = 16 * 1024
DRAFT_BYTES_MAX = 32 * 1024
_SMALLER = {
    "/oauth/": SMALL_BODY_BYTES_MAX,
    "/api/auth/": SMALL_BODY_BYTES_MAX,
    "/api/payout-callbacks/": SMALL_BODY_BYTES_MAX,
    "/api/rules/explain": DRAFT_BYTES_MAX,
}
"""Forms, logins and callbacks, whose bodies are read before the caller is known: a large one would only cost time.
Rules take a millisecond for each kilobyte, in which the process does nothing else, and every login may have drafts
explained.
"""

_OWN_COOKIE = re.compile(rb"[A-Za-z0-9_-]{1,128}")

_NO_STORE = (b"cache-control", b"no-store")
_PRIVATE = frozenset({b"authorization", b"cookie"})

_QUIET = frozenset({"/livez", "/readyz", "/metrics"})


class TooLarge(HTTPException):
    """The body exceeds its limit. An HTTP exception, because FastAPI treats any other as a malformed body."""

    def __init__(self, detail: str) -> None:
        super().__init__(413, detail)


def login_cookie(*, https: bool) -> str:
    """The name of our only cookie. The prefix keeps other hosts of the domain from setting it; browsers allow it with
    https only.
    """
    return "__Host-tributary-login" if https else "tributary-login"


class EachRequest:
    """The outermost middleware. The id is in logs, problems, messages and the audit log; a client cannot choose it.

    What a person or a program was shown must not stay in a cache: an answer without Cache-Control gets `no-store`, if
    the request had a token or a cookie, or was for `/api/`. A log line has method, route and status, but neither query
    nor headers, which may hold codes and tokens.

    Other cookies than ours are removed: the framework reads them for every route, and the standard library takes
    quadratic time to unquote one (CVE-2024-7592, before Python 3.11.10).
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._headers = (*_HEADERS, (b"strict-transport-security", b"max-age=31536000")) if https else _HEADERS
        self._cookie = login_cookie(https=https).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(uuid4())
        scope["tributary.request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started, status, begun = time.perf_counter(), 500, False
        is_private = _is_private(scope)
        _keep_cookie(scope, self._cookie)

        async def send_on(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                given = {name for name, _ in message["headers"]}
                more = [(name, value) for name, value in self._headers if name not in given]
                if b"cache-control" not in given and is_private:
                    more.append(_NO_STORE)
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode()), *more]
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        except Exception:
            log.exception("failed")
            if not begun:
                await problem_response(Request(scope), Problem("internal_error"))(scope, receive, send_on)
        finally:
            if scope["path"] not in _QUIET:
                took_ms = round((time.perf_counter() - started) * 1000, 1)
                log.info("answered", method=scope["method"], route=_route(scope), status=status, took_ms=took_ms)


class BodyLimited:
    """Middleware: refuses a body that exceeds the limit: `body_bytes_max`, or less for some paths."""

    def __init__(self, app: ASGIApp, *, body_bytes_max: int) -> None:
        self._app = app
        self._body_bytes_max = body_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        bytes_max = self._bytes_max(scope["path"])
        if (announced := _announced(scope)) > bytes_max:
            if announced <= self._body_bytes_max * _DISCARDED_TIMES:
                await _discard(receive, announced)
            # The rest of the body is not read, so the connection cannot be reused.
            problem = Problem("body_too_large", detail=_at_most(bytes_max), headers={"Connection": "close"})
            await problem_response(Request(scope), problem)(scope, receive, send)
            return
        await self._app(scope, self._limited(receive, bytes_max), send)

    def _bytes_max(self, path: str) -> int:
        smaller = [bytes_max for prefix, bytes_max in _SMALLER.items() if path.startswith(prefix)]
        return min([self._body_bytes_max, *smaller])

    def _limited(self, receive: Receive, bytes_max: int) -> Receive:
        taken = 0

        async def receive_limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > bytes_max:
                if message.get("more_body"):
                    await _discard(receive, self._body_bytes_max * _DISCARDED_TIMES)
                raise TooLarge(_at_most(bytes_max))
            return message

        return receive_limited


async def _discard(receive: Receive, bytes_max: int) -> None:
    """Read and discard: a client that is still sending would see a broken connection instead of the answer."""
    while bytes_max > 0:
        message = await receive()
        bytes_max -= max(1, len(message.get("body", b"")))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return


def _at_most(bytes_max: int) -> str:
    return f"Send {bytes_max} bytes or fewer."


def _keep_cookie(scope: Scope, name: bytes) -> None:
    """Leave the cookie of this name, if it can be one of ours, as the only one."""
    cookies = [value for header, value in scope["headers"] if header == b"cookie"]
    if not cookies:
        return
    pairs = [part.strip().partition(b"=") for value in cookies for part in value.split(b";")]
    own = [value for found, _, value in pairs if found == name and _OWN_COOKIE.fullmatch(value)]
    kept = [(header, value) for header, value in scope["headers"] if header != b"cookie"]
    # The last one counts, as it does for the framework.
    scope["headers"] = [*kept, *((b"cookie", name + b"=" + value) for value in own[-1:])]


def _announced(scope: Scope) -> int:
    """The Content-Length, which the server has checked to be a number; 0 for a body in chunks."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:18])
    return 0


def _is_private(scope: Scope) -> bool:
    return scope["path"].startswith("/api/") or any(name in _PRIVATE for name, _ in scope["headers"])


def _route(scope: Scope) -> str:
    """The route's template, without ids. An unmatched path is not logged."""
    route: Any = scope.get("route")
    return str(getattr(route, "path", "")) or "none"


def address_of(request: Request) -> str:
    """The client's address, from the server or a trusted proxy."""
    return request.client.host if request.client else "unknown"


def network_of(address: str) -> str:
    """An IPv4 address, or the /64 that one IPv6 customer has."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
