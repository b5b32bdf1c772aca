"""Numbers as people write them on the command line."""

from __future__ import annotations

from collections.abc import Callable

import typer

from contracts.numbers import decimal_of, whole_of

_DAY_S = 86_400


def whole(low: int, high: int) -> Callable[[str | int], int]:
    """Reads a whole number from `low` to `high`; anything else ends the command with a sentence."""

    def read(text: str | int) -> int:
        number = whole_of(text) if isinstance(text, str) else text
        if number is None:
            raise typer.BadParameter(f"{text!r} is not a whole number; write it in digits, such as 42.")
        if not low <= number <= high:
            raise typer.BadParameter(f"{number} is not in the range {low} to {high}.")
        return number

    return read


def seconds(text: str | float) -> float:
    """Reads how long to wait; anything but a number of seconds, up to a day, ends the command with a sentence."""
    number = decimal_of(text) if isinstance(text, str) else text
    if number is None:
        raise typer.BadParameter(f"{text!r} is not a number of seconds; write it in digits, such as 2 or 0.5.")
    if not 0 <= number <= _DAY_S:
        raise typer.BadParameter(f"{text} is not in the range 0 to {_DAY_S} seconds.")
    return number
