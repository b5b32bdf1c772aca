"""`tributary api`: serve HTTP."""

from __future__ import annotations

import contextlib
import os
import signal
import socket

import structlog
import typer
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from infra.cli.actions.hangup import end_like_ctrl_c
from infra.processes import api_entry
from infra.processes.exposure import require_safe
from infra.processes.http_protocol import BoundedHttp
from infra.processes.start import take_port, url_of
from infra.telemetry import logs
from infra.terminal.environment import EXIT_ENVIRONMENT, environment_for, one_sentence_on_failure, settings_for

log = structlog.get_logger()

_KEEP_ALIVE_S = 15
_ANSWERS_WITHIN_S = 15
"""A server process that does not answer its parent for this long is replaced. On a busy machine a starting process may
be silent for several seconds, and uvicorn's default is five.
"""
_WAITING_MAX = 512
"""Connections that may wait to be accepted."""

_CONNECTIONS_MAX = 900
"""Connections of one server process; a request on another is answered with 503. Below the 1,024 files that many systems
let a process open.
"""


def api(host: str, port: int, workers: int, stack: str) -> None:
    with one_sentence_on_failure():
        settings = settings_for(stack)
        listener = take_port(host, port, "the HTTP API", "--port")
        # Server processes read all settings from their environment.
        os.environ.update(environment_for(settings))
        public_url = os.environ.setdefault("TRIBUTARY_PUBLIC_URL", url_of(listener))
        declared = settings.model_copy(update={"public_url": public_url})
        require_safe(declared, os.environ.get("FORWARDED_ALLOW_IPS", ""), listens_at=url_of(listener))
        logs.configure(settings.log_level)
        if workers > 1:
            # Uvicorn logs everything under this name; here, which server process has ended.
            logs.relay("uvicorn.error")
        config = uvicorn.Config(
            api_entry.APPLICATION,
            factory=True,
            workers=workers,
            loop="uvloop",
            http=BoundedHttp,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=_WAITING_MAX,
            limit_concurrency=_CONNECTIONS_MAX,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_worker_healthcheck=_ANSWERS_WITHIN_S,
            timeout_graceful_shutdown=int(settings.shutdown_wait_s),
        )
        if not (_serve_alone(config, listener) if workers == 1 else _serve_together(config, listener)):
            raise typer.Exit(EXIT_ENVIRONMENT)


class _Server(uvicorn.Server):
    """Logs its address once it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            log.info("started", url=url_of(sockets[0]), processes=1)


class _Servers(Multiprocess):
    """Several processes: logs their address once all listen, and records whether one could not start."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        ignores_hangup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        super().__init__(config, sockets)
        if ignores_hangup:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.failed = False
        self._announced = False

    def handle_hup(self) -> None:
        """Stop when the terminal is closed; uvicorn would restart its processes."""
        self.should_exit.set()

    def keep_subprocess_alive(self) -> None:
        super().keep_subprocess_alive()
        self.failed = any(process.exitcode == STARTUP_FAILURE for process in self.processes)
        if not self._announced and not self.should_exit.is_set():
            self._announced = all(
                process.is_ready(self.config.timeout_worker_healthcheck) for process in self.processes
            )
            if self._announced:
                log.info("started", url=url_of(self.sockets[0]), processes=len(self.processes))


def _serve_alone(config: uvicorn.Config, listener: socket.socket) -> bool:
    """Return whether it could start."""
    end_like_ctrl_c(signal.SIGHUP)
    server = _Server(config)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    return server.started


def _serve_together(config: uvicorn.Config, listener: socket.socket) -> bool:
    """Return whether all could start."""
    listener.set_inheritable(True)
    servers = _Servers(config, [listener])
    servers.run()
    return not servers.failed
