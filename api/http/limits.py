"""Rate limits: requests per minute for each principal, and for each address without a login.

Only a principal whose token was verified is counted as a principal. Whatever else a request claims, it counts for its
address: before any work is done, or, on an address that needs a login, when it ends without a principal.

They are counted in Redis, for all processes together. Without Redis there are no limits, which is logged; the lockout
still slows password guessing, because it is in MongoDB.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.problems import Problem, problem_response
from api.http.requests import address_of, network_of
from api.http.turns import ALL_WRITES_MAX, READS_MAX, WRITES_MAX, RequestTurns
from infra.ports.cache import Cache, CacheUnavailable, Taken
from infra.settings import Settings

WINDOW_S = 60
_STATE = "tributary.limit"
_COUNTED = "tributary.address_counted"
PRINCIPAL = "tributary.principal"
"""The key of the verified principal in the scope of a request."""

_NEEDS_LOGIN = "/api/"
_CALLBACKS = "/api/payout-callbacks/"
_NEEDS_NO_LOGIN = ("/api/auth/", "/api/problems", _CALLBACKS)
"""Below `/api/` everything but this needs a login; a test compares this with the routes."""

_UNLIMITED = frozenset({"/livez", "/readyz", "/metrics", "/docs"})
_UNLIMITED_BELOW = "/docs/"
"""Orchestrators and Prometheus send no token; the docs page is a handful of files."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A policy, with its name in the headers."""

    name: str
    quota: int

    def headers(self, taken: Taken) -> dict[str, str]:
        """`RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10), Retry-After if refused."""
        headers = {
            "RateLimit-Policy": f'"{self.name}";q={self.quota};w={WINDOW_S}',
            "RateLimit": f'"{self.name}";r={taken.left};t={ceil(taken.full_in_s)}',
        }
        return headers if taken.taken else {**headers, "Retry-After": str(max(1, ceil(taken.wait_s)))}


class Limits:
    def __init__(self, cache: Cache, settings: Settings) -> None:
        self._cache = cache
        self._prefix = f"{settings.database}:limit:"
        self._known = Limit("principal", settings.requests_per_minute)
        self._anonymous = Limit("address", settings.anonymous_requests_per_minute)
        # A rail sends what became of many payments from few addresses.
        self._callbacks = Limit("callback", settings.requests_per_minute)
        self.reads = RequestTurns(READS_MAX)
        self.writes = RequestTurns(WRITES_MAX)
        self.writes_at_work = asyncio.Semaphore(ALL_WRITES_MAX)

    async def count_principal(self, request: Request, name: str) -> None:
        """Count a request of a principal. Raises Problem too_many_requests."""
        await self._count(request.scope, self._known, name)

    async def count_address(self, request: Request) -> None:
        """Count an anonymous request, once. Raises Problem too_many_requests.

        All addresses of one IPv6 network count as one: a customer has 2^64 of them.
        """
        if not request.scope.get(_COUNTED):
            request.scope[_COUNTED] = True
            limit = self._callbacks if request.scope["path"].startswith(_CALLBACKS) else self._anonymous
            await self._count(request.scope, limit, network_of(address_of(request)))

    async def _count(self, scope: Scope, limit: Limit, who: str) -> None:
        try:
            taken = await self._cache.take(f"{self._prefix}{limit.name}:{who}", quota=limit.quota, window_s=WINDOW_S)
        except CacheUnavailable:
            return
        headers = limit.headers(taken)
        scope[_STATE] = headers
        if not taken.taken:
            raise Problem("too_many_requests")


class RateLimited:
    """Middleware: counts a request without a token before any work is done for it, and adds the headers.

    A request with a token is counted by `api.access.guard`, once its principal is known. If it ends without one, it is
    counted for its address, and past the limit its answer is replaced.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_unlimited(scope["path"]):
            await self._app(scope, receive, send)
            return

        request = Request(scope)
        limits: Limits = scope["app"].state.ports.limits
        replaced = False

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: Mapping[str, str] = scope.get(_STATE) or {}
                more = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        async def send_on(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and PRINCIPAL not in scope:
                try:
                    await limits.count_address(request)
                except Problem as problem:
                    replaced = True
                    await problem_response(request, problem)(scope, receive, send_with_headers)
            if not replaced:
                await send_with_headers(message)

        if not _has_token(request) or not needs_login(scope["path"]):
            try:
                await limits.count_address(request)
            except Problem as problem:
                await problem_response(request, problem)(scope, receive, send_with_headers)
                return
        await self._app(scope, receive, send_on)


def is_unlimited(path: str) -> bool:
    return path in _UNLIMITED or path.startswith(_UNLIMITED_BELOW)


def needs_login(path: str) -> bool:
    return path.startswith(_NEEDS_LOGIN) and not path.startswith(_NEEDS_NO_LOGIN)


def _has_token(request: Request) -> bool:
    return request.headers.get("authorization", "")[:7].lower() == "bearer "
