"""Searches for garbage cycles are seldom from the start of a command, and skip what a server has loaded."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from infra.collector import collect_seldom, start_quickly

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)


def test_a_starting_process_searches_seldom_and_freezes_nothing() -> None:
    gc.set_threshold(700, 10, 10)
    frozen = gc.get_freeze_count()

    start_quickly()

    assert gc.get_threshold()[0] > 10_000
    assert gc.get_freeze_count() == frozen


def test_what_exists_is_never_searched_again() -> None:
    kept = [[number] for number in range(1_000)]
    frozen = gc.get_freeze_count()

    collect_seldom()

    assert gc.get_freeze_count() >= frozen + len(kept)
    assert gc.get_threshold()[0] > 10_000


def test_a_command_starts_so() -> None:
    program = (
        "import atexit, gc, infra.cli.app as cli; atexit.register(lambda: print(gc.get_threshold()[0])); cli.main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "--version"], capture_output=True, text=True, check=True, timeout=60
    )

    assert int(ended.stdout.splitlines()[-1]) > 10_000
