"""The results of closing a period, as a table and as fields."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from infra.terminal.screen import Grid
from tests.bench.closing import Closed, ClosingFindings

_COLUMNS = ("accounts", "closed", "accounts/s", "settlement µs", "MongoDB µs", "peak MB", "orders/s", "orders' fall")


def as_object(found: ClosingFindings) -> dict[str, Any]:
    """By number of accounts; processor time in microseconds of an account."""
    return {
        "growth": round(found.growth, 3),
        "closing": {
            str(accounts): {
                "alone": _fields(alone),
                "beside_orders": {
                    **_fields(found.beside[accounts].closed),
                    "orders_per_s_before": round(found.beside[accounts].orders_per_s_before, 1),
                    "orders_per_s_during": round(found.beside[accounts].orders_per_s_during, 1),
                    "fall": round(found.beside[accounts].fall, 3),
                },
            }
            for accounts, alone in found.alone.items()
        },
    }


def show(console: Console, found: ClosingFindings) -> None:
    table = Grid(*_COLUMNS, title="Closing a period; ten postings an account, microseconds of processor time")
    for accounts, alone in found.alone.items():
        beside = found.beside[accounts]
        rate = f"{beside.orders_per_s_before:,.0f} to {beside.orders_per_s_during:,.0f}"
        table.add_row(*_row("alone", alone), "", "")
        table.add_row(*_row("beside orders, killed once", beside.closed), rate, f"{beside.fall:.0%}")
    console.print(table)
    console.print(f"Processor time of an account, largest case to smallest: {found.growth:.2f}")


def _row(how: str, closed: Closed) -> tuple[str, ...]:
    server = closed.mongodb_us_per_account
    figures = (closed.accounts_per_s, closed.cpu_us_per_account, server, closed.rss_mb)
    return (f"{closed.accounts:,}", how, *("" if figure is None else f"{figure:,.0f}" for figure in figures))


def _fields(closed: Closed) -> dict[str, Any]:
    server = closed.mongodb_us_per_account
    return {
        "seconds": round(closed.seconds, 2),
        "accounts_per_s": round(closed.accounts_per_s, 1),
        "settlement_us_per_account": round(closed.cpu_us_per_account, 1),
        "mongodb_us_per_account": server and round(server, 1),
        "rss_mb": closed.rss_mb,
    }
