"""When a starter is ended by a closed terminal or `kill -9`, `status` and `down` know every process that still runs."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra import local
from infra.local.leftovers import MARK
from infra.runtime import roster
from tests.connected.running import Site, command, free_ports, get, until
from tests.connected.test_commands import running_in
from tests.sampling import sampled

ENDINGS = sampled((signal.SIGKILL,), whole=(signal.SIGKILL, signal.SIGHUP))
GONE_WITHIN_S = 120.0
"""On a busy machine, a process that is still starting notices late."""


def at_home(home: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRIBUTARY_")}
    return {**inherited, "TRIBUTARY_HOME": str(home)}


async def started(*words: str, environment: dict[str, str]) -> asyncio.subprocess.Process:
    """Start a command as a shell does: in a group of its own, which no signal to the test reaches. SIGHUP ends it, also
    where the tests themselves run under `nohup`.
    """
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infra.cli.app", *words),
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGHUP, signal.SIG_DFL),
    )


def workers_of(folder: Path) -> list[int]:
    found = []
    for pid in running_in(folder):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if words.startswith(b"tributary work"):
            found.append(pid)
    return found


def folders_in(home: Path) -> list[Path]:
    return [path for path in home.iterdir() if path.is_dir()]


def at_least(count: int, look: Callable[[], list[int]]) -> Callable[[], Any]:
    async def enough() -> bool:
        return len(look()) >= count

    return enough


def none_of(look: Callable[[], list[int]]) -> Callable[[], Any]:
    async def none() -> bool:
        return not look()

    return none


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A path with a space and Chinese characters, which a mark must hold."""
    return tmp_path / "a home, 分销"


async def running_demo(home: Path) -> asyncio.subprocess.Process:
    """A demo whose servers and workers all run."""
    process = await started("demo", "--orders", "2000", environment=at_home(home))
    count = len(roster.names()) + 1
    await until(at_least(count, lambda: workers_of(home)), what="its workers run", every_s=0.2)
    return process


@pytest.mark.full
async def test_a_demo_whose_terminal_is_closed_leaves_nothing(home: Path) -> None:
    process = await running_demo(home)
    os.killpg(process.pid, signal.SIGHUP)
    await asyncio.wait_for(process.wait(), GONE_WITHIN_S)
    await until(none_of(lambda: running_in(home)), what="nothing runs", every_s=0.2)
    assert folders_in(home) == []


async def test_processes_left_by_a_killed_demo_are_shown_and_stopped(home: Path) -> None:
    process = await running_demo(home)
    process.kill()
    await process.wait()
    name = f"demo-{process.pid}"
    try:
        await until(none_of(lambda: workers_of(home)), what="its workers end", within_s=GONE_WITHIN_S, every_s=0.5)
        assert running_in(home), "its servers run on"

        shown = await command("status", environment=at_home(home))
        listed = await command("status", "--json", environment=at_home(home))
        assert f"Left by commands that were killed: {name}" in shown.err
        assert listed.object["abandoned_stacks"] == [name]
    finally:
        ended = await command("down", environment=at_home(home))

    assert f"Removed the abandoned stack {name}: " in ended.err
    assert running_in(home) == []
    assert folders_in(home) == []


@pytest.mark.parametrize("number", ENDINGS)
async def test_worker_processes_end_with_the_one_that_started_them(
    site: Site, tmp_path: Path, number: signal.Signals
) -> None:
    environment = {**site.environment(health_port=0), "MARK": str(tmp_path)}
    process = await started("work", "catalog", "network", environment=environment)
    # The starter itself is `infra.cli.app`.
    await until(at_least(2, lambda: workers_of(tmp_path)), what="both run", every_s=0.2)
    os.kill(process.pid, number)
    await asyncio.wait_for(process.wait(), GONE_WITHIN_S)
    await until(none_of(lambda: running_in(tmp_path)), what="all are gone", within_s=GONE_WITHIN_S, every_s=0.2)


@pytest.mark.parametrize("number", ENDINGS)
async def test_the_processes_of_an_api_end_with_the_one_that_started_them(
    site: Site, tmp_path: Path, number: signal.Signals
) -> None:
    port = free_ports(1)
    environment = {**site.environment(), "MARK": str(tmp_path)}
    process = await started("api", "--port", str(port), "--workers", "2", environment=environment)

    async def serves() -> bool:
        return (await get(port, "/livez"))[0] == 200

    await until(serves, what="it serves", every_s=0.2)
    os.kill(process.pid, number)
    await asyncio.wait_for(process.wait(), GONE_WITHIN_S)
    await until(none_of(lambda: running_in(tmp_path)), what="all are gone", within_s=GONE_WITHIN_S, every_s=0.2)


def test_unrecorded_processes_of_a_stack_are_shown_and_stopped_and_no_others(tmp_path: Path) -> None:
    """A starter killed between a start and its entry; in the same folder another shell and another stack's process."""
    folder, other = tmp_path / "default", tmp_path / "other"
    for made in (folder, other):
        made.mkdir()

    def sleeper(**mark: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["sleep", "300"], env={"PATH": os.environ["PATH"], **mark}, cwd=folder)

    ours, foreign, others = sleeper(**{MARK: str(folder)}), sleeper(), sleeper(**{MARK: str(other)})
    try:
        assert [(p.program, p.pid) for p in local.programs(home=tmp_path)] == [("sleep 300", ours.pid)]
        assert local.running_stacks(tmp_path) == ["default", "other"]
        assert local.down(home=tmp_path) == ["sleep 300"]
        assert ours.wait(timeout=5) == -signal.SIGTERM
        assert (foreign.poll(), others.poll()) == (None, None)
        assert local.running_stacks(tmp_path) == ["other"]
    finally:
        for process in (ours, foreign, others):
            process.kill()
            process.wait()


def test_every_server_carries_the_mark_of_its_stack(home: Path) -> None:
    local.up(home=home)
    try:
        folder = str((home / "default").resolve()).encode()
        for server in local.status(home=home):
            assert MARK.encode() + b"=" + folder in Path(f"/proc/{server.pid}/environ").read_bytes().split(b"\0")
        assert local.programs(home=home) == []
    finally:
        local.down(home=home, remove_data=True)
    assert running_in(home) == []
