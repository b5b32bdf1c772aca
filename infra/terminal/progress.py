"""How far a long command is, on standard error: a bar on a terminal; elsewhere a line a phase, and one every 10 s."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from infra.local.patience import SILENT_MAX_S, patience
from infra.operators.verification import OnProgress
from infra.terminal.screen import Screen, print_note


@contextmanager
def progress(*, silent_max_s: float = SILENT_MAX_S) -> Iterator[OnProgress]:
    """Yields what to call as often as one likes."""
    with _bar() if sys.stderr.isatty() else _lines(silent_max_s) as on_progress:
        yield on_progress


@contextmanager
def _bar() -> Iterator[OnProgress]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Screen(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda doing, done, total: bar.update(task, description=doing, completed=done, total=total or None)


@contextmanager
def _lines(silent_max_s: float) -> Iterator[OnProgress]:
    at: tuple[str, int, int] = ("", 0, 0)

    def state() -> str:
        doing, done, total = at
        return f"{doing}, {done:,} of {total:,}" if total else doing

    with patience(print_note, silent_max_s=silent_max_s, state=state) as spoken:

        def on_progress(doing: str, done: int, total: int) -> None:
            nonlocal at
            former, at = at, (doing, done, total)
            if doing != former[0]:
                spoken(doing)

        yield on_progress
