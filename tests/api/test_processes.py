"""Several server processes on one port: a dead one is replaced, a slow one is not."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from tests.api.front import Front, lines_of, serving
from tests.connected.running import Site, until

UVICORN_TIMEOUT_S = 5
"""Uvicorn's default time-out of a silent process; on a busy machine, a start takes longer."""


def children(front: Front) -> list[int]:
    listed = Path(f"/proc/{front.pid}/task/{front.pid}/children").read_text().split()
    commands = {int(pid): _command(pid) for pid in listed}
    return sorted(pid for pid, command in commands.items() if "spawn_main" in command)


def _command(pid: str) -> str:
    """Empty once the process is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


async def test_a_dead_process_is_replaced_and_logged(site: Site, tmp_path: Path) -> None:
    async with serving(site, tmp_path, processes=2) as front, front.client() as client:
        first, second = children(front)
        os.kill(first, signal.SIGKILL)

        async def replaced() -> bool:
            now = children(front)
            return len(now) == 2 and first not in now

        await until(replaced, what="another process has taken its place")
        assert second in children(front)
        assert (await client.get("/livez")).status_code == 200
        messages = [line["message"] for line in lines_of(front.log) if line["event"] == "uvicorn.error"]
        assert f"Child process [{first}] died" in messages


async def test_a_silent_process_is_not_replaced(site: Site, tmp_path: Path) -> None:
    async with serving(site, tmp_path, processes=2) as front:
        both = children(front)
        os.kill(both[0], signal.SIGSTOP)
        await asyncio.sleep(UVICORN_TIMEOUT_S + 2)
        os.kill(both[0], signal.SIGCONT)

        async def answers() -> bool:
            async with front.client() as client:
                return (await client.get("/livez")).status_code == 200

        await until(answers, what="it answers")
        assert children(front) == both
