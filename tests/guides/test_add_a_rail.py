"""Adds a rail to a copy of the tree by docs/guides/add-a-rail.md: its blocks are the whole of it, and it keeps every
promise. It needs no servers, takes half a minute, and is not part of `make check`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGES, ROOT

GUIDE = ROOT / "docs/guides/add-a-rail.md"
ADAPTERS = "infra/adapters/outside/rails"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    copy = tmp_path / "tree"
    unneeded = shutil.ignore_patterns("__pycache__", "*.pyc", "template")
    for folder in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=unneeded)
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def block_of(section: int, number: int = 0) -> str:
    part = GUIDE.read_text("utf-8").partition(f"\n## {section}. ")[2].partition("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)[number]


def insert(path: Path, text: str, *, after: str) -> None:
    present = path.read_text("utf-8")
    assert present.count(after) == 1
    path.write_text(present.replace(after, f"{after}{text}"), "utf-8")


def run(tree: Path, *words: str) -> tuple[int, str]:
    command = [sys.executable, *words]
    ran = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout + ran.stderr


def outcome_of(tree: Path, *files: str) -> tuple[int, str]:
    return run(tree, "-m", "pytest", *files, "--quiet", "-p", "no:cacheprovider", "--tb=short")


@pytest.mark.full
def test_a_rail_that_follows_the_guide_keeps_every_promise(tree: Path) -> None:
    manual = '            Rail("manual", answers="person", looks_up=False),\n'
    insert(tree / "contracts/payouts/rails.py", block_of(1), after=manual)
    code, output = outcome_of(tree, "tests/connected/test_rails.py::test_every_rail_of_the_table_has_an_adapter")
    assert code != 0
    assert "giro" in output

    (tree / ADAPTERS / "giro.py").write_text(block_of(2), "utf-8")
    insert(tree / ADAPTERS / "payouts.py", block_of(3), after='        "manual": manual.make,\n')
    insert(tree / ADAPTERS / "payouts.py", "giro, ", after="from infra.adapters.outside.rails import ")
    insert(tree / "infra/rail_settings.py", f"\n{block_of(4)}", after="class RailSettings(BaseSettings):")
    (tree / "tests/bank/giro.py").write_text(block_of(5), "utf-8")
    (tree / "tests/connected/test_rails_giro.py").write_text(block_of(5, 1), "utf-8")

    code, output = outcome_of(tree, "tests/connected/test_rails.py", "tests/connected/test_rails_giro.py")
    assert code == 0, output
    assert "failed" not in output
    files = (f"{ADAPTERS}/giro.py", "tests/bank/giro.py", "tests/connected/test_rails_giro.py")
    code, output = run(tree, "-m", "mypy", *files)
    assert code == 0, output
