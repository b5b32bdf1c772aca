"""Whole numbers as people write them on the command line. `int` also reads `1_0`, `007` and other scripts' digits."""

from __future__ import annotations

import re
from collections.abc import Callable

import typer

_WHOLE = re.compile(r"0|[1-9][0-9]{0,18}")


def whole(low: int, high: int) -> Callable[[str | int], int]:
    """Reads a number from `low` to `high`; anything else ends the command with a sentence."""

    def read(text: str | int) -> int:
        if isinstance(text, str) and _WHOLE.fullmatch(text) is None:
            raise typer.BadParameter(f"{text!r} is not a whole number; write it in digits, such as 42.")
        number = int(text)
        if not low <= number <= high:
            raise typer.BadParameter(f"{number} is not in the range {low} to {high}.")
        return number

    return read
