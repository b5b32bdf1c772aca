"""Progress of a long command on standard error: a bar on a terminal; otherwise a line per phase and one every 10 s."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from infra.local.progress_notes import SILENT_MAX_S, progress_notes
from infra.operators.verification import OnProgress
from infra.terminal.screen import Screen, print_note


@contextmanager
def progress(*, silent_max_s: float = SILENT_MAX_S) -> Iterator[OnProgress]:
    """Yields the function to report progress to, as often as needed."""
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
        yield lambda phase, done, total: bar.update(task, description=phase, completed=done, total=total or None)


@contextmanager
def _lines(silent_max_s: float) -> Iterator[OnProgress]:
    at: tuple[str, int, int] = ("", 0, 0)

    def state() -> str:
        phase, done, total = at
        return f"{phase}, {done:,} of {total:,}" if total else phase

    with progress_notes(print_note, silent_max_s=silent_max_s, state=state) as note:

        def on_progress(phase: str, done: int, total: int) -> None:
            nonlocal at
            former, at = at, (phase, done, total)
            if phase != former[0]:
                note(phase)

        yield on_progress
