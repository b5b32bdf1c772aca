"""Output of commands: as wide as the terminal, and never wrapped or cut in a file or a pipe."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table

_UNBOUNDED = 100_000
"""The width without a terminal, so that no line is wrapped or cut."""


class Screen(Console):
    """Standard output, or standard error."""

    def __init__(self, *, stderr: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        super().__init__(stderr=stderr, highlight=False, width=None if stream.isatty() else _UNBOUNDED)

    def on_broken_pipe(self) -> NoReturn:
        """Leave a closed pipe to the end of the command, as every other print does."""
        raise BrokenPipeError


class Grid(Table):
    """A table whose cells are folded if they do not fit, and never cut: an id can be copied from it."""

    def add_column(self, header: Any = "", footer: Any = "", **options: Any) -> None:
        super().add_column(header, footer, **{"overflow": "fold", **options})


def print_note(sentence: str) -> None:
    """Print a sentence for people on standard error, separate from the output for programs."""
    Screen(stderr=True).print(sentence, markup=False, soft_wrap=True)
