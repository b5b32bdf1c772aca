"""Health and metrics of a process over HTTP: /livez, /readyz and /metrics."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import uvicorn
from prometheus_client import make_asgi_app

from infra.processes.health_protocol import HEADER_BYTES_MAX, BoundedHealth
from infra.telemetry.readiness import Readiness

Check = Callable[[], Awaitable[dict[str, str]]]
"""Returns what is lacking, by part; an empty dict when nothing is."""


Refresh = Callable[[], Awaitable[None]]
"""Updates metrics that are only measured on demand."""


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
    content = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


class HealthServer(uvicorn.Server):
    """Ignores signals, which the process handles: a worker finishes its batch before its health port closes."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def server(app: Any) -> HealthServer:
    """Uses h11: the faster parser, if installed, answers simple HTTP/1.0 probes in chunks."""
    return HealthServer(
        uvicorn.Config(
            app,
            log_config=None,
            http=BoundedHealth,
            h11_max_incomplete_event_size=HEADER_BYTES_MAX,
            lifespan="off",
            access_log=False,
        )
    )
