"""Ids as JavaScript keeps them: its numbers are floating point, and whole ones are exact up to 2^53 - 1 only.

What programs of any kind read (answers over HTTP, `--json` of the command line) carries an id up to there as a JSON
integer, and a larger one as decimal text. Messages over AMQP carry integers of 64 bits, whatever their size.
"""

from __future__ import annotations

from typing import Any

EXACT_MAX = 2**53 - 1


def exact(number: int) -> int | str:
    """The id, or its decimal text where JavaScript would round it."""
    return number if number <= EXACT_MAX else str(number)


def all_exact(value: Any) -> Any:
    """A JSON value with every whole number in it as `exact` has it."""
    if isinstance(value, dict):
        return {name: all_exact(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [all_exact(inner) for inner in value]
    return exact(value) if isinstance(value, int) and not isinstance(value, bool) else value
