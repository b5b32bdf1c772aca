"""Long calculations beside a server: in a process of their own, one at a time, and not for ever.

A calculation over a million orders keeps a core busy; in the server's own process everybody else would wait for it,
in another thread too. The program is found by name. It reads one JSON object and writes one.
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

_SAID_MAX = 2_000


class AlreadyBusy(Exception):
    """Another calculation is under way in this process; try again later."""


class TookTooLong(Exception):
    """It did not end within its time, and was ended."""


class Failed(Exception):
    """It ended without an answer; the log has what it said."""


class Subprocess:
    """One for a server's process; `program` is a module that can be run, `within_s` the time that it gets."""

    def __init__(self, settings: Settings, program: str, *, within_s: float = 60.0) -> None:
        self._settings = settings
        self._program = program
        self._within_s = within_s
        self._busy = False

    async def __call__(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The program's answer. Raises AlreadyBusy, TookTooLong, Failed. Whoever goes away ends the program."""
        if self._busy:
            raise AlreadyBusy
        self._busy = True
        try:
            return await self._run(json.dumps(asked).encode())
        finally:
            self._busy = False

    async def _run(self, asked: bytes) -> dict[str, Any]:
        own = {"MONGODB_URL": self._settings.mongodb_url, "TRIBUTARY_DATABASE": self._settings.database}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", self._program),
            env={**os.environ, **own},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, said = await asyncio.wait_for(process.communicate(asked), self._within_s)
        except TimeoutError:
            raise TookTooLong from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0:
            told = said.decode(errors="replace")[-_SAID_MAX:]
            log.error("calculation failed", program=self._program, exit_code=process.returncode, said=told)
            raise Failed
        answer: dict[str, Any] = json.loads(out)
        return answer
