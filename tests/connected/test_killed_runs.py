"""A test run that is ended from outside leaves no process, whether it runs in one process or in several."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT
from tests.connected.test_commands import running_in
from tests.sampling import sampled

SERVERS = """
import time
from pathlib import Path

def test_it(stack):
    Path(__file__).with_suffix(".started").touch()
    time.sleep(300)
"""
STUBBORN = """
import os, signal, subprocess, time
from pathlib import Path

def test_it(tmp_path):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which a child inherits
    subprocess.Popen(["sleep", "300"], start_new_session=True)
    Path(__file__).with_suffix(".started").write_text(str(os.getpid()))
    {then}
"""
STARTED_WITHIN_S = 120.0
ENDED_WITHIN_S = 60.0
PYTEST = (sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider")


@contextmanager
def run_of(test: str, folder: Path, processes: int) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A run whose only test has started its processes, and the file that the test wrote then."""
    probe, started = folder / "test_probe.py", folder / "test_probe.started"
    probe.write_text(test)
    run = subprocess.Popen(
        [*PYTEST, f"--numprocesses={processes}", f"--rootdir={folder}", f"--basetemp={folder / 'made'}", probe],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + STARTED_WITHIN_S
        while not started.exists():
            assert run.poll() is None, "the run has ended by itself"
            assert time.monotonic() < deadline, "its processes did not start"
            time.sleep(0.1)
        yield run, started
    finally:
        for pid in [run.pid, *running_in(folder)] if run.poll() is None else running_in(folder):
            os.kill(pid, signal.SIGKILL)


def left_in(folder: Path) -> list[int]:
    """The processes that stay. The one that makes forks ends by itself once it has noticed."""
    deadline = time.monotonic() + ENDED_WITHIN_S
    while (found := running_in(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


@pytest.mark.parametrize("processes", sampled([1], whole=[0, 1]))
def test_a_run_ended_by_timeout_stops_its_servers(tmp_path: Path, processes: int) -> None:
    """`timeout` sends SIGTERM to the whole group."""
    with run_of(SERVERS, tmp_path, processes) as (run, _):
        assert running_in(tmp_path)

        os.killpg(run.pid, signal.SIGTERM)

        _, err = run.communicate(timeout=ENDED_WITHIN_S)
        assert left_in(tmp_path) == []
        assert "left processes behind" not in err


def test_a_killed_run_leaves_no_server(tmp_path: Path) -> None:
    with run_of(SERVERS, tmp_path, 0) as (run, _):
        assert running_in(tmp_path)

        run.kill()

        _, err = run.communicate(timeout=ENDED_WITHIN_S)
        assert left_in(tmp_path) == []
        assert [server for server in ("mongod", "redis-server", "beam.smp", "epmd") if server not in err] == []


def the_run(run: subprocess.Popen[str], started: Path) -> int:
    return run.pid


def the_process_of_the_test(run: subprocess.Popen[str], started: Path) -> int:
    return int(started.read_text())


@pytest.mark.parametrize(
    ("processes", "killed"),
    [(0, the_run), (1, the_run), (1, the_process_of_the_test)],
    ids=["run", "controller", "process"],
)
def test_a_child_that_ignores_signals_goes_with_the_process_that_started_it(
    tmp_path: Path, processes: int, killed: Callable[[subprocess.Popen[str], Path], int]
) -> None:
    foreign = subprocess.Popen(["sleep", "300"], env={"PWD": str(tmp_path)}, cwd=tmp_path)
    try:
        with run_of(STUBBORN.format(then="time.sleep(300)"), tmp_path, processes) as (run, started):
            os.kill(killed(run, started), signal.SIGKILL)

            _, err = run.communicate(timeout=ENDED_WITHIN_S)
            assert running_in(tmp_path) == [foreign.pid]
            assert "left processes behind, which were killed: sleep" in err
    finally:
        foreign.kill()
        foreign.wait()


def test_a_child_that_no_test_has_stopped_ends_with_the_run(tmp_path: Path) -> None:
    with run_of(STUBBORN.format(then="pass"), tmp_path, 1) as (run, _):
        _, err = run.communicate(timeout=ENDED_WITHIN_S)

        assert run.returncode == 0
        assert running_in(tmp_path) == []
        assert "left processes behind, which were killed: sleep" in err
