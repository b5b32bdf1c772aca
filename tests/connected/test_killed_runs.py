"""A test run that is ended from outside takes its servers down, whether it runs in one process or in several."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT
from tests.connected.test_commands import running_in

PROBE = """
import time
from pathlib import Path

def test_it(stack):
    Path(__file__).with_suffix(".started").touch()
    time.sleep(300)
"""
STARTED_WITHIN_S = 120.0
ENDED_WITHIN_S = 60.0
PYTEST = (sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider")


@pytest.mark.parametrize("processes", [0, 1])
def test_a_run_ended_by_timeout_leaves_no_server(tmp_path: Path, processes: int) -> None:
    """`timeout` sends SIGTERM to the whole group."""
    probe, started = tmp_path / "test_probe.py", tmp_path / "test_probe.started"
    probe.write_text(PROBE)
    run = subprocess.Popen(
        [*PYTEST, f"--numprocesses={processes}", f"--rootdir={tmp_path}", f"--basetemp={tmp_path / 'made'}", probe],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + STARTED_WITHIN_S
        while not started.exists():
            assert run.poll() is None, "the run has ended by itself"
            assert time.monotonic() < deadline, "its servers did not start"
            time.sleep(0.2)
        assert running_in(tmp_path)

        os.killpg(run.pid, signal.SIGTERM)

        run.wait(ENDED_WITHIN_S)
        assert running_in(tmp_path) == []
    finally:
        for pid in [run.pid, *running_in(tmp_path)] if run.poll() is None else running_in(tmp_path):
            os.kill(pid, signal.SIGKILL)
