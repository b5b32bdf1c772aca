"""Numbers in text, in plain digits. Python also reads `1_0`, `007`, ` 1`, other scripts' digits, `nan` and `inf`."""

from __future__ import annotations

import re

DIGITS_MAX = 19
"""The digits before the point, and after it: a longer whole number does not fit in 64 bits."""

_parts = re.compile(r"-?(0|[1-9][0-9]*)(?:\.([0-9]+))?").fullmatch


def is_whole(text: str) -> bool:
    """Whether it is a whole number as JSON writes it, of any length."""
    found = _parts(text)
    return found is not None and found[2] is None


def whole_of(text: str) -> int | None:
    """The whole number, or None if it is not one or has more than `DIGITS_MAX` digits."""
    found = _parts(text)
    return int(text) if found is not None and found[2] is None and len(found[1]) <= DIGITS_MAX else None


def decimal_of(text: str) -> float | None:
    """The number, whole or with a point, or None if it is not one or has more than `DIGITS_MAX` digits on a side."""
    found = _parts(text)
    return float(text) if found is not None and max(map(len, found.groups(""))) <= DIGITS_MAX else None
