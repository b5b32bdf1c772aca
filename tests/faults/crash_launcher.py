"""Starts worker processes through `tests.faults.crash_processes`, one at a time, and notices their end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from tests.faults.crash_processes import PROGRESS_BYTES, CrashPlan, ProgressFile

_ANSWER_MAX_S = 30.0


class Launcher:
    """Runs the forking program in a fresh process, without threads or an event loop that a fork would break."""

    def __init__(self, folder: Path) -> None:
        self._progress_path = folder / "progress"
        self._progress_path.write_bytes(bytes(PROGRESS_BYTES))
        self._progress = ProgressFile(self._progress_path)
        self._log = folder / "workers.log"
        self._process: asyncio.subprocess.Process | None = None
        self._pid = 0
        self._ended: asyncio.Task[int] | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.faults.crash_processes",
            str(self._progress_path),
            str(self._log),
            cwd=Path(__file__).parents[2],
            env={name: value for name, value in os.environ.items() if not name.startswith("TRIBUTARY_")},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        await self._answer("ready", within_s=_ANSWER_MAX_S)

    async def start_worker(self, plan: CrashPlan) -> None:
        """Start a worker; the previous one has ended."""
        assert self._process is not None, "start() comes first"
        assert self._process.stdin is not None, "the program reads its input"
        self._progress.write(0, False, "")
        self._process.stdin.write(plan.to_json().encode() + b"\n")
        self._pid = await self._answer("started", within_s=_ANSWER_MAX_S)
        self._ended = asyncio.create_task(self._answer("ended", within_s=None))

    @property
    def exit_code(self) -> int | None:
        """None while the worker runs."""
        return self._ended.result() if self._ended is not None and self._ended.done() else None

    @property
    def effects(self) -> int:
        return self._progress.read()[0]

    @property
    def is_idle(self) -> bool:
        return self._progress.read()[1]

    @property
    def last_effect(self) -> str:
        return self._progress.read()[2]

    async def end_worker(self) -> None:
        """Kill the worker, if one runs, and wait until it is gone."""
        if self._ended is not None:
            if not self._ended.done():
                with suppress(ProcessLookupError):
                    os.kill(self._pid, signal.SIGKILL)
            await self._ended

    async def stop(self) -> None:
        if self._process is not None:
            await self.end_worker()
            assert self._process.stdin is not None, "the program reads its input"
            self._process.stdin.close()
            await self._process.wait()

    def log_tail(self) -> str:
        """The end of the workers' log, for a person who looks for the cause."""
        return self._log.read_text(errors="replace")[-4000:] if self._log.exists() else ""

    async def _answer(self, expected: str, *, within_s: float | None) -> int:
        assert self._process is not None, "start() comes first"
        assert self._process.stdout is not None, "the program writes its answers"
        line = await asyncio.wait_for(self._process.stdout.readline(), within_s)
        if not line:
            raise RuntimeError("the program has ended; run `python -m tests.faults.crash_processes` by hand to see why")
        event, value = json.loads(line)
        assert event == expected, f"the program answered {event!r} instead of {expected!r}"
        return int(value)
