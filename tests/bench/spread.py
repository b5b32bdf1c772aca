"""Percentiles of durations: p50, p95, p99 and the maximum."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Spread(NamedTuple):
    p50: float
    p95: float
    p99: float
    max: float


def spread_of(figures: Iterable[float]) -> Spread:
    """Rounded to a tenth. Needs at least one figure."""
    ordered = sorted(figures)
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.50, 0.95, 0.99)]
    return Spread(*(round(figure, 1) for figure in (*at, ordered[-1])))
