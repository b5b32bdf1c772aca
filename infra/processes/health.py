"""Health and metrics of a process over HTTP: /livez, /readyz and /metrics."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import uvicorn
from prometheus_client import make_asgi_app

from infra.telemetry.readiness import Readiness

Check = Callable[[], Awaitable[dict[str, str]]]
"""Answers what is lacking, by part; nothing when all is well."""


Refresh = Callable[[], Awaitable[None]]
"""Brings figures up to date that are only known when they are asked for."""


def application(readiness: Readiness, consumers: Check, refresh: Refresh) -> Any:
    """An ASGI application. /readyz is 503 with reasons while a loop waits or a consumer is missing at the broker."""
    metrics: Any = make_asgi_app()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/metrics":
            await refresh()
            await metrics(scope, receive, send)
        elif scope["path"] == "/livez":
            await _answer(send, 200, {"status": "alive"})
        elif scope["path"] == "/readyz":
            lacking = readiness.reasons or await consumers()
            await _answer(
                send, 503 if lacking else 200, {"status": "waiting" if lacking else "ready", "lacks": lacking}
            )
        else:
            await _answer(send, 404, {"status": "there is /livez, /readyz and /metrics"})

    return app


async def _answer(send: Any, status: int, body: dict[str, Any]) -> None:
    told = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(told)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": told})


class HealthServer(uvicorn.Server):
    """Leaves signals to the process: a worker finishes its batch before its health port closes."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def server(app: Any) -> HealthServer:
    """On h11 by name: the faster parser, where it is installed, answers simple probes of HTTP/1.0 in chunks."""
    return HealthServer(uvicorn.Config(app, log_config=None, http="h11", lifespan="off", access_log=False))
