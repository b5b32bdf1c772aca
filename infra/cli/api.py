"""`tributary api`: serve HTTP."""

from __future__ import annotations

import os
from typing import Annotated

import typer
import uvicorn

from infra.cli.environment import Stack, environment_for, one_sentence_on_failure, settings_for
from infra.runtime import front, logs

_KEEP_ALIVE_S = 15
_ANSWERS_WITHIN_S = 15
"""A server process that does not answer its parent for so long is replaced. On a busy machine one that starts is silent
for several seconds, and uvicorn's own patience is five.
"""
_WAITING_MAX = 512
"""Connections that may wait to be accepted."""


def api(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port to listen on.")] = 8080,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Processes that share the port.")] = 1,
    stack: Stack = "default",
) -> None:
    """Serve the HTTP API until SIGTERM or Ctrl-C; requests in hand are answered first.

    Behind a proxy set TRIBUTARY_PUBLIC_URL to the address that people use, and FORWARDED_ALLOW_IPS to the proxy's.
    """
    with one_sentence_on_failure():
        settings = settings_for(stack)
        # Server processes are started afresh and read everything from their environment.
        os.environ.update(environment_for(settings))
        os.environ.setdefault("TRIBUTARY_PUBLIC_URL", f"http://{host}:{port}")
        logs.configure(settings.log_level)
        if workers > 1:
            # What uvicorn calls its logger, whatever it tells: here, which of the server processes ended.
            logs.relay("uvicorn.error")
        uvicorn.run(
            front.APPLICATION,
            factory=True,
            host=host,
            port=port,
            workers=workers,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=_WAITING_MAX,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_worker_healthcheck=_ANSWERS_WITHIN_S,
            timeout_graceful_shutdown=int(settings.shutdown_wait_s),
        )
