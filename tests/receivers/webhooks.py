"""A receiver of signed webhooks, which verifies them with the library of Standard Webhooks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


@dataclass
class WebhookReceiver:
    """Answers with `status` and `headers` after `pause_s`; keeps each verified message, and counts the others. `taken`
    are the ids of those that it answered with 2xx, also if the sender no longer waited.
    """

    secret: str
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    ids: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    encodings: list[str] = field(default_factory=list)
    unverified: int = 0

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self._receive, methods=["POST"])])

    async def _receive(self, request: Request) -> Response:
        try:
            message = Webhook(self.secret).verify((await request.body()).decode(), dict(request.headers))
        except WebhookVerificationError:
            self.unverified += 1
            return Response(status_code=401)
        self.ids.append(request.headers["webhook-id"])
        self.hosts.append(request.headers["host"])
        self.encodings.append(request.headers["accept-encoding"])
        self.messages.append(message)
        status, headers = self.status, self.headers
        await asyncio.sleep(self.pause_s)
        if 200 <= status < 300:
            self.taken.append(request.headers["webhook-id"])
        return Response(status_code=status, headers=headers)
