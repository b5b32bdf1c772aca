"""Rate limits: requests per minute for each principal, and for each address without a login.

They are counted in Redis, for all processes together. Without Redis there are no limits, which is logged; the lockout
still slows password guessing, because it is in MongoDB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.problems import Problem, problem_response
from api.http.requests import address_of
from infra.ports.cache import Cache, CacheUnavailable, Taken
from infra.settings import Settings

WINDOW_S = 60
_STATE = "tributary.limit"
_UNLIMITED = ("/livez", "/readyz", "/metrics", "/docs")
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

    async def count_principal(self, request: Request, name: str) -> None:
        """Count a request of a principal. Raises Problem too_many_requests."""
        await self._count(request.scope, self._known, name)

    async def count_address(self, request: Request) -> None:
        """Count an anonymous request. Raises Problem too_many_requests."""
        await self._count(request.scope, self._anonymous, address_of(request))

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

    A request with a token is counted by `api.access.guard`, once its principal is known.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_unlimited(scope["path"]):
            await self._app(scope, receive, send)
            return

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: Mapping[str, str] = scope.get(_STATE) or {}
                more = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        request = Request(scope)
        if not _has_token(request):
            limits: Limits = scope["app"].state.ports.limits
            try:
                await limits.count_address(request)
            except Problem as problem:
                await problem_response(request, problem)(scope, receive, send_on)
                return
        await self._app(scope, receive, send_on)


def is_unlimited(path: str) -> bool:
    return path.startswith(_UNLIMITED)


def _has_token(request: Request) -> bool:
    return request.headers.get("authorization", "")[:7].lower() == "bearer "
