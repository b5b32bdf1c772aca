"""How far a long command is, on standard error: a bar on a terminal, a line for each phase elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

OnProgress = Callable[[str, int, int], None]
"""What is done, how much of it is done, and how much there is; 0 where that is not known."""


@contextmanager
def progress() -> Iterator[OnProgress]:
    """Yields what to call as often as one likes."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda doing, done, total: bar.update(task, description=doing, completed=done, total=total or None)


def _lines() -> OnProgress:
    former = ""

    def on_progress(doing: str, done: int, total: int) -> None:
        nonlocal former
        if doing != former:
            former = doing
            print(doing, file=sys.stderr, flush=True)

    return on_progress
