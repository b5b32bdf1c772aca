"""The results of the full benchmark only, as tables and as fields."""

from __future__ import annotations

from statistics import median
from typing import Any

from rich.console import Console

from infra.terminal.screen import Grid
from tests.bench.full import FullFindings
from tests.bench.growth import GrowthFindings
from tests.bench.hot import HotFindings
from tests.bench.scaling import ScalingFindings
from tests.bench.verify_growth import VerifyFindings


def as_object(found: FullFindings | None) -> dict[str, Any]:
    """The fields of the full benchmark, null where it was not run."""
    if found is None:
        return {"growth_1m_over_10k": None, "growth_ms": None, "hot": None, "scaling": None, "verify": None}
    return {
        "growth_1m_over_10k": round(found.growth.growth_1m_over_10k, 3),
        "growth_ms": _growth(found.growth),
        "hot": _hot(found.hot),
        "scaling": _scaling(found.scaling),
        "verify": _verify(found.verify),
    }


def _growth(found: GrowthFindings) -> dict[str, Any]:
    return {
        case: {str(size): round(found.median_ms(case, size), 3) for size in sizes} for case, sizes in found.ms.items()
    }


def _hot(found: HotFindings) -> dict[str, Any]:
    sold_out = found.sold_out
    return {
        **{variant.replicas.replace(" ", "_"): round(variant.share, 2) for variant in found.variants},
        "sold_out": {"stock": sold_out.stock, "sold": sold_out.sold, "rejected": sold_out.rejected},
    }


def _scaling(found: ScalingFindings) -> dict[str, Any]:
    return {
        "orders_per_s": {str(processes): round(median(rates), 1) for processes, rates in found.rates.items()},
        "worker_us_per_order": {name: round(us, 1) for name, us in found.costs.workers_us.items()},
        "server_us_per_order": {name: round(us, 1) for name, us in found.costs.servers_us.items()},
        "bottleneck": {str(at.times): at.bottleneck for at in found.predictions},
        "ceiling_orders_per_s": {
            str(at.times): at.ceiling_per_s and round(at.ceiling_per_s) for at in found.predictions
        },
    }


def _verify(found: VerifyFindings) -> dict[str, Any]:
    return {
        kind: {str(size): {"seconds": round(one.seconds, 1), "rss_mb": one.rss_mb} for size, one in sizes.items()}
        for kind, sizes in found.verified.items()
    }


def show(console: Console, found: FullFindings) -> None:
    _show_growth(console, found.growth)
    _show_hot(console, found.hot)
    memory = Grid("process", "peak MB", title="Memory over the long backlog, one worker in each process")
    for name, peak in sorted(found.memory.items()):
        memory.add_row(name, f"{peak:.0f}")
    console.print(memory)
    _show_scaling(console, found.scaling)
    verify = Grid("journal", "live orders", "seconds", "peak MB", title="`verify`, in its own process")
    for kind, sizes in found.verify.verified.items():
        for size, one in sizes.items():
            verify.add_row(kind, f"{size:,}", f"{one.seconds:.0f}", f"{one.rss_mb:.0f}")
    console.print(verify)


def _show_growth(console: Console, found: GrowthFindings) -> None:
    table = Grid("what grows", "to", "ms an order or read", "lowest", "highest", "of the smallest", title="Growth")
    for case, sizes in found.ms.items():
        smallest = found.median_ms(case, min(sizes))
        for size, measured in sizes.items():
            middle = found.median_ms(case, size)
            figures = (middle, min(measured), max(measured), middle / smallest)
            table.add_row(case, f"{size:,}", *(f"{figure:.2f}" for figure in figures))
    console.print(table)


def _show_hot(console: Console, found: HotFindings) -> None:
    hot = Grid("processes", "uniform orders/s", "hot orders/s", "share", title="All orders for one product")
    for variant in found.variants:
        rates = (f"{median(kind):,.0f}" for kind in (variant.uniform, variant.hot))
        hot.add_row(variant.replicas, *rates, f"{variant.share:.0%}")
    console.print(hot)
    out = found.sold_out
    console.print(f"Of a stock of {out.stock:,}, {out.sold:,} were sold, and {out.rejected:,} orders rejected.")


def _show_scaling(console: Console, found: ScalingFindings) -> None:
    rates = Grid("processes of each worker", "orders/s", "lowest", "highest", title="More processes on this machine")
    for processes, measured in found.rates.items():
        figures = (median(measured), min(measured), max(measured))
        rates.add_row(str(processes), *(f"{figure:,.0f}" for figure in figures))
    console.print(rates)
    times = [f"cores at {at.orders_per_s:,.0f}/s (x{at.times:,})" for at in found.predictions]
    model = Grid("part", "µs an order", *times, title="Cost of an order, and cores for more orders")
    for part, cost_us in {**found.costs.workers_us, **found.costs.servers_us}.items():
        model.add_row(part, f"{cost_us:,.0f}", *(f"{at.cores[part]:,.1f}" for at in found.predictions))
    model.add_row(
        "all", f"{found.costs.total_us:,.0f}", *(f"{sum(at.cores.values()):,.0f}" for at in found.predictions)
    )
    model.add_row(
        "bottleneck",
        "",
        *(
            f"{at.bottleneck}, from {at.ceiling_per_s:,.0f}/s" if at.ceiling_per_s else "nothing"
            for at in found.predictions
        ),
    )
    console.print(model)
