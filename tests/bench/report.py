"""The benchmark's results, as tables for people and one object for programs."""

from __future__ import annotations

from statistics import median
from typing import Any

from rich.console import Console

from infra.terminal.screen import Grid
from tests.bench import report_full
from tests.bench.full import FullFindings
from tests.bench.reads import TOGETHER
from tests.bench.run import HALF, Findings

_FIELDS = {
    "orders_per_s": "ours, one-line orders",
    "orders_per_s_baskets": "ours, real baskets",
    "orders_per_s_batched": "ours, shop-batched",
    "celery_orders_per_s": "Celery",
    "faststream_plain_orders_per_s": "plain FastStream",
    "floor_orders_per_s": "floor",
}


def as_object(found: Findings, full: FullFindings | None = None) -> dict[str, Any]:
    """Medians over the rounds; ratios compare medians of the same call; null for contenders that were not run."""
    rates = {name: _median(found, row) for name, row in _FIELDS.items()}
    half = [latency.p99_ms for latency in found.latency.get(HALF, ())]
    peaks = [max(peaks) for peaks in found.rss_mb.values()] + (list(full.memory.values()) if full else [])
    return {
        **rates,
        "ratio_celery": _ratio(rates["orders_per_s"], rates["celery_orders_per_s"], 2),
        "ratio_floor": _ratio(rates["orders_per_s"], rates["floor_orders_per_s"], 3),
        "p99_ms_half_load": round(median(half), 1) if half else None,
        "p99_ms_reads": next((read.p99_ms for read in found.reads if read.what == TOGETHER), None),
        "rss_mb_max": max(peaks, default=None),
        **report_full.as_object(full),
    }


def show(console: Console, found: Findings, full: FullFindings | None = None) -> None:
    """Rates with their spread, ratios, latency, memory; and the tables of the full benchmark."""
    rates = Grid("contender", "orders/s", "lowest", "highest", "of Celery", "of the floor", title="Rate over a backlog")
    celery, floor = _median(found, "Celery"), _median(found, "floor")
    for row in _FIELDS.values():
        if (middle := _median(found, row)) is None:
            continue
        spread = (min(found.rates[row]), max(found.rates[row]))
        ratios = (_ratio(middle, celery, 1), _ratio(middle, floor, 2))
        rates.add_row(
            row,
            *(f"{rate:,.0f}" for rate in (middle, *spread)),
            *("" if ratio is None else f"{ratio}" for ratio in ratios),
        )
    console.print(rates)
    if found.latency:
        console.print(_latency(found))
    if found.reads:
        console.print(_reads(found))
    memory = Grid("process", "peak MB", title="Memory of our processes")
    for name, peaks in sorted(found.rss_mb.items()):
        memory.add_row(name, f"{max(peaks):.0f}")
    console.print(memory)
    if full is not None:
        report_full.show(console, full)


def _latency(found: Findings) -> Grid:
    columns = ("load", "orders/s", "p50 ms", "p95 ms", "p99 ms", "lowest", "highest", "max ms")
    table = Grid(*columns, title="Published to accrued")
    for load, rounds in found.latency.items():
        p99s = [at.p99_ms for at in rounds]
        middles = (median(at.p50_ms for at in rounds), median(at.p95_ms for at in rounds), median(p99s))
        figures = (*middles, min(p99s), max(p99s), max(at.max_ms for at in rounds))
        table.add_row(f"{load:.0%}", f"{rounds[0].rate:,.0f}", *(f"{figure:,.0f}" for figure in figures))
    return table


def _reads(found: Findings) -> Grid:
    table = Grid("read", "a second", "p50 ms", "p95 ms", "p99 ms", "max ms", title="Reads of the HTTP API")
    for read in found.reads:
        figures = (read.p50_ms, read.p95_ms, read.p99_ms, read.max_ms)
        table.add_row(read.what, f"{read.rate}", *(f"{figure:,.1f}" for figure in figures))
    return table


def _median(found: Findings, row: str) -> float | None:
    return round(median(found.rates[row]), 1) if row in found.rates else None


def _ratio(rate: float | None, other: float | None, digits: int) -> float | None:
    return round(rate / other, digits) if rate and other else None
