"""Backtests for people who ask over HTTP: one at a time, in a process of its own, and not for ever."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from typing import Any

import structlog

from api.problems import Problem, Reason, say
from infra.runtime.settings import Settings

log = structlog.get_logger()

DAYS_MAX = 366
"""A longer period is for the command line, whose user sees how far it is."""

WITHIN_S = 60.0
DISTRIBUTORS_MAX = 200
"""Of each currency: those who gain most and those who lose most."""

_MODULE = "infra.cli.rehearse"

say(
    {
        "backtest_too_long": Reason(
            422,
            "The backtest took too long; choose a shorter period, or use the command line.",
            "回测耗时过长，请缩短时间范围，或使用命令行。",
        )
    }
)


class Backtests:
    """A second one is told to come back: each takes a core for itself."""

    def __init__(self) -> None:
        self._running = False

    async def run(self, settings: Settings, asked: dict[str, Any]) -> dict[str, Any]:
        """The figures. Raises Problem busy, backtest_too_long, and not_proposed for rules that are not there."""
        if self._running:
            raise Problem("busy", headers={"Retry-After": "10"})
        self._running = True
        try:
            return await self._run(settings, asked)
        finally:
            self._running = False

    async def _run(self, settings: Settings, asked: dict[str, Any]) -> dict[str, Any]:
        environment = {**os.environ, "MONGODB_URL": settings.mongodb_url, "TRIBUTARY_DATABASE": settings.database}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", _MODULE),
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        told = json.dumps({**asked, "distributors_max": DISTRIBUTORS_MAX}).encode()
        try:
            out, said = await asyncio.wait_for(process.communicate(told), WITHIN_S)
        except TimeoutError:
            raise Problem("backtest_too_long") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode == 1 and not said:
            raise Problem("not_proposed")
        if process.returncode != 0:
            log.error("backtest failed", exit_code=process.returncode, said=said.decode(errors="replace")[-2000:])
            raise Problem("busy", headers={"Retry-After": "10"})
        figures: dict[str, Any] = json.loads(out)
        return figures
