"""Output of commands: as wide as the terminal, and never wrapped or cut in a file or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, NoReturn

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from infra.terminal.printing import printable, printable_lines

_UNBOUNDED = 100_000
"""The width without a terminal, so that no line is wrapped or cut."""


class Screen(Console):
    """Standard output, or standard error."""

    def __init__(self, *, stderr: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        super().__init__(stderr=stderr, highlight=False, width=None if stream.isatty() else _UNBOUNDED)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments with printable text only: what steers a terminal comes from styles, never from a text."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable_lines(segment.text), segment.style)

    def on_broken_pipe(self) -> NoReturn:
        """Leave a closed pipe to the end of the command, as every other print does."""
        raise BrokenPipeError


class Grid(Table):
    """A table whose cells are folded if they do not fit, and never cut: an id can be copied from it.

    A cell that is a string is shown as it is: it is no markup, and one line.
    """

    def add_column(self, header: Any = "", footer: Any = "", **options: Any) -> None:
        super().add_column(header, footer, **{"overflow": "fold", **options})

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        super().add_row(*(Text(printable(cell)) if isinstance(cell, str) else cell for cell in cells), **options)


def print_note(sentence: str) -> None:
    """Print a sentence for people on standard error, separate from the output for programs."""
    Screen(stderr=True).print(sentence, markup=False, soft_wrap=True)
