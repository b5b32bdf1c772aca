"""How much of a repeated proof runs: a sample in `make test`, all of it in `make test-full`."""

from __future__ import annotations

import os
from typing import TypeVar

_T = TypeVar("_T")

FULL = os.environ.get("TESTS_FULL") == "1"


def sampled(sample: _T, *, whole: _T) -> _T:
    return whole if FULL else sample
