"""`make test` runs the tests without servers first, and stops if one of them fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import order
from tests.architecture.sources import ROOT

TESTS = {"api": "def test_it(): ...", "unit": "def test_it(): assert False", "workflow": "def test_it(): ..."}
PYTEST = (sys.executable, "-m", "pytest", "-p", "tests.order", "-p", "no:cacheprovider", "--dist=loadfile")


def test_every_tier_has_a_position() -> None:
    tiers = {path.relative_to(ROOT / "tests").parts[0] for path in ROOT.glob("tests/*/**/test_*.py")}

    assert tiers == {*order.QUICK, *order.REST}


def test_the_longest_files_exist() -> None:
    assert [name for name in order.LONGEST if not (ROOT / name).exists()] == []


@pytest.mark.slow
@pytest.mark.parametrize("processes", [0, 1])
def test_a_quick_test_that_fails_ends_the_run(tmp_path: Path, processes: int) -> None:
    for tier, text in TESTS.items():
        (tmp_path / "tests" / tier).mkdir(parents=True)
        (tmp_path / "tests" / tier / f"test_{tier}.py").write_text(text)
    ran = subprocess.run(
        [*PYTEST, f"--numprocesses={processes}", "--no-loadscope-reorder", f"--rootdir={tmp_path}", "tests"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ran.returncode == pytest.ExitCode.TESTS_FAILED, ran.stdout + ran.stderr
    assert "FAILED tests/unit/test_unit.py::test_it" in ran.stdout
    assert "so the rest was not run" in ran.stdout
