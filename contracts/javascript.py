"""Ids for JavaScript, whose numbers are floating point: integers are exact up to 2^53 - 1 only.

HTTP responses and the command line's `--json` carry an id up to that limit as a JSON integer, and a larger one as
decimal text. Messages over AMQP always carry 64-bit integers.
"""

from __future__ import annotations

from typing import Any

EXACT_MAX = 2**53 - 1


def exact(number: int) -> int | str:
    """The id, or its decimal text if JavaScript would round it."""
    return number if number <= EXACT_MAX else str(number)


def all_exact(value: Any) -> Any:
    """A JSON value with `exact` applied to every integer in it."""
    if isinstance(value, dict):
        return {name: all_exact(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [all_exact(inner) for inner in value]
    return exact(value) if isinstance(value, int) and not isinstance(value, bool) else value
