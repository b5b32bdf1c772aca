"""What the benchmark found, as a table for people and one object for programs."""

from __future__ import annotations

from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from infra.bench.run import Findings

_FIELDS = {
    "orders_per_s": "ours, one-line orders",
    "orders_per_s_baskets": "ours, real baskets",
    "orders_per_s_batched": "ours, shop-batched",
    "celery_orders_per_s": "Celery",
    "faststream_plain_orders_per_s": "plain FastStream",
    "floor_orders_per_s": "floor",
}


def as_object(found: Findings) -> dict[str, Any]:
    """Medians over the rounds; the ratios are of medians of the same call."""
    rates: dict[str, Any] = {name: round(median(found.rates[row]), 1) for name, row in _FIELDS.items()}
    half = [latency for latency in found.latency if latency.load == 0.5]
    return {
        **rates,
        "ratio_celery": round(rates["orders_per_s"] / rates["celery_orders_per_s"], 2),
        "ratio_floor": round(rates["orders_per_s"] / rates["floor_orders_per_s"], 3),
        "p99_ms_half_load": half[0].p99_ms if half else None,
        "rss_mb_max": max(max(peaks) for peaks in found.rss_mb.values()),
    }


def show(console: Console, found: Findings) -> None:
    """Rates with their spread, ratios, latency, memory."""
    rates = Table("contender", "orders/s", "lowest", "highest", "of Celery", "of the floor", title="A backlog, settled")
    celery, floor = median(found.rates["Celery"]), median(found.rates["floor"])
    for row in _FIELDS.values():
        measured = found.rates[row]
        middle = median(measured)
        rates.add_row(
            row,
            f"{middle:,.0f}",
            f"{min(measured):,.0f}",
            f"{max(measured):,.0f}",
            f"{middle / celery:.1f}",
            f"{middle / floor:.2f}",
        )
    console.print(rates)
    if found.latency:
        latency = Table("load", "orders/s", "p50 ms", "p95 ms", "p99 ms", "max ms", title="Published to accrued")
        for at in found.latency:
            figures = (at.p50_ms, at.p95_ms, at.p99_ms, at.max_ms)
            latency.add_row(f"{at.load:.0%}", f"{at.rate:,.0f}", *(f"{figure:,.0f}" for figure in figures))
        console.print(latency)
    memory = Table("process", "peak MB", title="Memory of our processes")
    for name, peaks in sorted(found.rss_mb.items()):
        memory.add_row(name, f"{max(peaks):.0f}")
    console.print(memory)
