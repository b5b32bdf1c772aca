"""Long calculations of a server: in a separate process, one at a time, and with a time limit.

A calculation over a million orders keeps a core busy; in the server's own process, even in another thread, all other
requests would wait for it. The program is found by name. It reads one JSON object and writes one.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from typing import Any

import structlog

from infra.settings import Settings

log = structlog.get_logger()

_OUTPUT_CHARS_MAX = 2_000


class AlreadyBusy(Exception):
    """Another calculation is running in this process; try again later."""


class TookTooLong(Exception):
    """It exceeded its time limit, and was killed."""


class Failed(Exception):
    """It ended without a result; its error output is in the log."""


class Subprocess:
    """One per server process; `program` is a module that can be run, `within_s` its time limit."""

    def __init__(self, settings: Settings, program: str, *, within_s: float = 60.0) -> None:
        self._settings = settings
        self._program = program
        self._within_s = within_s
        self._busy = False

    async def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        """The program's result. Raises AlreadyBusy, TookTooLong, Failed. If the caller is cancelled, it is killed."""
        if self._busy:
            raise AlreadyBusy
        self._busy = True
        try:
            return await self._run(json.dumps(request).encode())
        finally:
            self._busy = False

    async def _run(self, request: bytes) -> dict[str, Any]:
        own = {"MONGODB_URL": self._settings.mongodb_url, "TRIBUTARY_DATABASE": self._settings.database}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", self._program),
            env={**os.environ, **own},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, errors = await asyncio.wait_for(process.communicate(request), self._within_s)
        except TimeoutError:
            raise TookTooLong from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0:
            output = errors.decode(errors="replace")[-_OUTPUT_CHARS_MAX:]
            log.error("calculation failed", program=self._program, exit_code=process.returncode, output=output)
            raise Failed
        answer: dict[str, Any] = json.loads(out)
        return answer
