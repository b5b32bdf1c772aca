"""Middleware: a principal, or an address without a login, has few large answers under way at a time.

The server keeps an answer in memory until its client has read it, and a client may read slowly: up to a minute.
"""

from __future__ import annotations

from collections import Counter

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.limits import PRINCIPAL
from api.http.problems import Problem, problem_response
from api.http.requests import address_of, network_of
from api.http.turns import READING, RequestTurns

LARGE_BYTES = 256 * 1024
"""A page of 100 usual orders is smaller."""

AT_ONCE_MAX = 8
"""In one process: with pages of a few megabytes at most, a principal holds no more than some 20 MB of it."""


class FewLargeAnswers:
    """Refuses a further large answer as `too_many_requests`, before any of it is sent; ends the turn of a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._under_way: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # What was written is never answered as refused; and only what is read may be large.
        if scope["type"] != "http" or scope["method"] not in READING:
            try:
                await self._app(scope, receive, send)
            finally:
                RequestTurns.end(scope)
            return
        start: Message | None = None

        async def send_on(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            # A streamed answer is made while it is sent, so it keeps its turn.
            if not message.get("more_body", False):
                RequestTurns.end(scope)
            first, start = start, None
            if first is None or len(message.get("body", b"")) < LARGE_BYTES:
                if first is not None:
                    await send(first)
                await send(message)
                return
            who = _who(scope)
            if self._under_way[who] >= AT_ONCE_MAX:
                problem = Problem("too_many_requests", detail=_DETAIL, headers={"Retry-After": "1"})
                await problem_response(Request(scope), problem)(scope, receive, send)
                return
            self._under_way[who] += 1
            try:
                await send(first)
                await send({**message, "more_body": True})
                # The server waits with the next part until the client has read most of this one.
                await send({"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)})
            finally:
                self._under_way[who] -= 1
                self._under_way += Counter()

        try:
            await self._app(scope, receive, send_on)
        finally:
            RequestTurns.end(scope)


_DETAIL = f"Read the answers to your other requests first: at most {AT_ONCE_MAX} large ones are sent at a time."


def _who(scope: Scope) -> str:
    principal = scope.get(PRINCIPAL)
    return f"principal {principal.counted_as}" if principal else f"address {network_of(address_of(Request(scope)))}"
