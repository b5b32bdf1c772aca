"""What commands print with: as wide as the terminal, and whole where the output goes into a file or another program."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table

_UNBOUNDED = 100_000
"""Columns where there is no terminal, so that no line is broken and nothing is cut."""


class Screen(Console):
    """Standard output, or standard error."""

    def __init__(self, *, stderr: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        super().__init__(stderr=stderr, highlight=False, width=None if stream.isatty() else _UNBOUNDED)

    def on_broken_pipe(self) -> NoReturn:
        """Whoever read the output has ended: that is for the end of the command, as with every other print."""
        raise BrokenPipeError


class Grid(Table):
    """A table whose cells are folded where they do not fit, and never cut: an id can be copied out of it."""

    def add_column(self, header: Any = "", footer: Any = "", **options: Any) -> None:
        super().add_column(header, footer, **{"overflow": "fold", **options})


def print_note(sentence: str) -> None:
    """Tell the person at the terminal, beside what the command prints for programs."""
    Screen(stderr=True).print(sentence, markup=False, soft_wrap=True)
