"""Worker processes as forks of one process that has loaded every worker.

Loading takes more than two seconds of processor time and 90 MB. A fork takes milliseconds, and shares the memory of
what is loaded.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

from setproctitle import setproctitle

from infra.runtime import roster

_SIGNALS = {signal.SIGTERM, signal.SIGHUP}


def load_workers(*also: str) -> None:
    """Begin to load all workers, and other modules, in a process of their own, if none runs; do not wait for it.

    The process ends with its forks. It does not end with a signal to the whole group: it reports how its forks end.
    """
    forkserver.set_forkserver_preload(["infra.cli.actions.work", *map(roster.module_of, roster.names()), *also])
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start(module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path | None) -> BaseProcess:
    """Run `python -m module arguments` in a fork, with this environment; its output goes to the end of the file.

    `ps` shows it as `tributary work` with the arguments.
    """
    load_workers()
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=_run, args=(module, list(arguments), dict(environment), log), daemon=True)
    process.start()
    return process


def _run(module: str, arguments: list[str], environment: dict[str, str], log: Path | None) -> None:
    # The title must not overwrite the environment in /proc, by which a stack finds its processes.
    os.environ["SPT_NOENV"] = "1"
    setproctitle(" ".join(("tributary work", *arguments)))
    become([module, *arguments], environment, log, log)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def become(argv: list[str], environment: Mapping[str, str], out: Path | None, err: Path | None) -> None:
    """Give this fork the arguments and environment of a program, and write its output to the ends of these files."""
    os.environ.clear()
    os.environ.update(environment)
    for file, stream in ((out, sys.stdout), (err, sys.stderr)):
        if file is not None:
            with file.open("ab") as written:
                os.dup2(written.fileno(), stream.fileno())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    sys.argv = argv
