"""Long calculations run in a separate process: its result, and what happens to one that fails or takes too long."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from infra.gateway.subprocesses import AlreadyBusy, Failed, Subprocess, TookTooLong
from infra.settings import Settings
from tests.connected.running import until

ANSWERS = """
import json, os, sys
request = json.load(sys.stdin)
own = {"database": os.environ["TRIBUTARY_DATABASE"], "store": os.environ["MONGODB_URL"]}
json.dump({"request": request, **own}, sys.stdout)
"""
FAILS = "import sys; sys.exit('it cannot be done')"
NEVER_ENDS = "import time; time.sleep(600)"


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "program_that_answers": ANSWERS,
        "program_that_fails": FAILS,
        "program_that_never_ends": NEVER_ENDS,
    }.items():
        (tmp_path / f"{name}.py").write_text(text, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def subprocess_of(program: str, **options: Any) -> Subprocess:
    return Subprocess(Settings(mongodb_url="mongodb://here", database="this_one"), program, **options)


async def test_it_gets_the_request_and_the_settings_of_the_server() -> None:
    answer = await subprocess_of("program_that_answers")({"year": 2026})
    assert answer == {"request": {"year": 2026}, "database": "this_one", "store": "mongodb://here"}


async def test_a_failure_is_logged_and_the_next_may_begin(capsys: pytest.CaptureFixture[str]) -> None:
    calculation = subprocess_of("program_that_fails")
    for _ in range(2):
        with pytest.raises(Failed):
            await calculation({})
    assert "it cannot be done" in capsys.readouterr().out


async def test_a_program_over_its_time_limit_is_killed(tmp_path: Path) -> None:
    with pytest.raises(TookTooLong):
        await subprocess_of("program_that_never_ends", within_s=0.2)({})
    assert programs_of(tmp_path) == []


async def test_one_runs_at_a_time_and_cancelling_the_caller_ends_it(tmp_path: Path) -> None:
    calculation = subprocess_of("program_that_never_ends")
    for _ in range(2):
        running = asyncio.create_task(calculation({}))
        await until(lambda: asyncio.to_thread(programs_of, tmp_path), what="the program runs")
        with pytest.raises(AlreadyBusy):
            await calculation({})
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        assert programs_of(tmp_path) == []


def programs_of(folder: Path) -> list[str]:
    """The running processes with this test's folder in their environment."""
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and f"PYTHONPATH={folder}\0".encode() in (process / "environ").read_bytes():
                found.append(process.name)
    return found
