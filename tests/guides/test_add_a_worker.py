"""Adds a worker to a copy of the tree by docs/guides/add-a-worker.md: the checks name missing parts, then pass.

It takes about twenty seconds of processor time, needs no servers and no network, and is not part of `make check`.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGES, ROOT

TEMPLATE = Path(__file__).parent / "template"
GUIDE = ROOT / "docs/guides/add-a-worker.md"
FILES = ("pyproject.toml", "docker-compose.yml", "README.md", "README.zh-CN.md")

PLACES = (
    "tests/architecture/test_roster.py",
    "tests/architecture/test_documents.py",
    "tests/contracts/test_golden.py::test_every_version_has_its_bytes",
    "tests/contracts/test_compatibility.py::test_every_message_is_compatible_with_its_release",
    "tests/contracts/test_schema_and_reader.py",
)
ALL = (
    *PLACES,
    "tests/architecture/test_workers.py",
    "tests/architecture/test_purity.py",
    "tests/architecture/test_imports.py::test_the_import_contracts_are_kept",
    "tests/unit/test_roster.py",
    "tests/unit/test_loyalty_points.py",
)
BEHIND_THE_WORKERS = "  # Two clocks"
"""The line in docker-compose.yml behind the services of the workers."""

_PROGRAMS = {".venv/bin/tributary": "-m infra.cli.app", ".venv/bin/python": "", "make docs": "-m tests.docs"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The tree with only the folder of the new worker."""
    copy = tmp_path / "tree"
    unneeded = shutil.ignore_patterns("__pycache__", "*.pyc", "template")
    for folder in (*PACKAGES, "docs", "tests"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=unneeded)
    for name in FILES:
        shutil.copy(ROOT / name, copy / name)
    shutil.copytree(TEMPLATE / "workers", copy / "workers", dirs_exist_ok=True)
    return copy


def run(tree: Path, *words: str) -> tuple[int, str]:
    """The exit code and the output of Python in the copy; its packages come before the installed ones."""
    ran = subprocess.run([sys.executable, *words], cwd=tree, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout + ran.stderr


def misses(tree: Path, *tests: str) -> set[str]:
    """The first line of each failing test's message."""
    _, output = run(tree, "-m", "pytest", *tests, "--quiet", "-p", "no:cacheprovider", "--tb=short")
    return set(re.findall(r"^E +(?:AssertionError|Failed): (.+)$", output, re.MULTILINE))


def append(path: Path, text: str, *, before: str = "") -> None:
    present = path.read_text("utf-8")
    place = present.index(before) if before else len(present)
    path.write_text(present[:place] + text + present[place:], "utf-8")


def last_service(tree: Path) -> str:
    """The service behind which a new one is added."""
    workers = (tree / "docker-compose.yml").read_text("utf-8").partition(BEHIND_THE_WORKERS)[0]
    return re.findall(r"^  (\w+):$", workers, re.MULTILINE)[-1]


def block_of(heading: str, language: str = "", number: int = 0) -> str:
    section = GUIDE.read_text("utf-8").partition(f"\n## {heading}")[2].partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)[number]


@pytest.mark.full
def test_the_checks_name_the_missing_parts_of_a_worker_and_pass_when_they_are_added(tree: Path) -> None:
    assert misses(tree, "tests/architecture/test_roster.py") == {
        "add contracts/loyalty/v1.py, which workers/loyalty_points/decide.py imports",
        f"add a service loyalty_points to docker-compose.yml after {last_service(tree)}:",
        "add tests/faults/scenarios/loyalty_points.py with a function that returns a Scenario of everything "
        "loyalty_points may do; tests/faults/scenarios/reward_checks.py is an example",
        "add tests/unit/test_loyalty_points.py with tests of the rules in workers/loyalty_points/decide.py",
    }

    shutil.copytree(TEMPLATE, tree, dirs_exist_ok=True)
    append(tree / "docker-compose.yml", block_of("4.", "yaml") + "\n", before=BEHIND_THE_WORKERS)
    assert misses(tree, *PLACES) == {
        "add to docs/workers.zh-CN.yaml the line `loyalty_points: …`, what loyalty_points does in Chinese, "
        "then run make docs",
        "README.md is out of date: run make docs",
        "docs/architecture.md is out of date: run make docs",
        "run `python -m tests.contracts.golden` for points.earned.v1",
        "points.earned.v1 has no snapshot: run `tributary schema export`. "
        "asyncapi.json is stale: run `tributary schema export`.",
    }

    append(tree / "docs/workers.zh-CN.yaml", block_of("4.", "yaml", 1))
    for command in block_of("5.").splitlines():
        for program, words in _PROGRAMS.items():
            command = command.replace(program, words)
        code, output = run(tree, *shlex.split(command))
        assert code == 0, output
    code, output = run(tree, "-m", "pytest", *ALL, "--quiet", "-p", "no:cacheprovider", "--tb=short")
    assert code == 0, output
    assert "| `loyalty_points` | Gives the seller of a paid order" in (tree / "README.md").read_text("utf-8")
    assert "| I15 | each paid order earned" in (tree / "docs/architecture.md").read_text("utf-8")
