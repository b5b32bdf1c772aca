"""`tributary` as a fork of a process that has loaded it: a tenth of the time, and otherwise the same program.

`tests/unit/test_command_endings.py` and the tests of the demo start the interpreter itself.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from infra.cli.app import main
from infra.processes import forking


def load() -> None:
    """Begin to load the program in a process; `start` and the fleets then make forks of it."""
    forking.load_workers("tests.connected.forked", "api.app")


def start(arguments: Sequence[str], environment: Mapping[str, str], out: Path, err: Path) -> BaseProcess:
    """Start the command; its output goes to these files."""
    load()
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=_run, args=(list(arguments), dict(environment), out, err))
    process.start()
    return process


def _run(arguments: list[str], environment: dict[str, str], out: Path, err: Path) -> None:
    # A command that starts processes hands on its standard input, which in a fork is another file than 0.
    os.dup2(sys.stdin.fileno(), 0)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    forking.become(["tributary", *arguments], environment, out, err)
    main()
