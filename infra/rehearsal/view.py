"""Output of a rehearsal: tables for people, one object with decimal strings for programs."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contracts.money import to_amount, to_rate
from infra.rehearsal.backtest import Backtest
from infra.rehearsal.comparison import Change, Comparison, gains_and_losses
from infra.terminal.printing import printable
from infra.terminal.screen import Grid

SHOWN_MAX = 5
"""Distributors who gain, and who lose, in the table; JSON has all of them."""


def print_backtest(found: Backtest, console: Console) -> None:
    title = escape(printable(found.title))
    console.print(f"[bold]“{title}” from {found.first_day} to {found.last_day}[/]", highlight=False)
    for currency, comparison in sorted(found.by_currency.items()):
        for title, table in _tables(found, currency, comparison):
            print_table(console, title, table)
    for sentence in _remarks(found):
        console.print(printable(sentence), highlight=False, markup=False, soft_wrap=True)


def _tables(found: Backtest, currency: str, comparison: Comparison) -> Iterator[tuple[str, Table]]:
    def money(minor: int) -> str:
        return f"{to_amount(minor, currency):,}"

    def signed(minor: int) -> str:
        return f"{to_amount(minor, currency):+,}"

    before, after, sales = comparison.before_minor, comparison.after_minor, comparison.sales_minor
    table = _table("", "today", "draft", "change")
    table.add_row("commissions", money(before), money(after), signed(after - before))
    table.add_row("share of sales", _percent(before, sales), _percent(after, sales), _percent(after - before, sales))
    floor = to_rate(found.margin_floor_ppm)
    thin = (comparison.thin_before, comparison.thin_after)
    table.add_row(f"lines below margin {floor:f}", *(f"{n:,}" for n in thin), f"{thin[1] - thin[0]:+,}")
    for plan in sorted(comparison.plans_before.keys() | comparison.plans_after.keys()):
        was, would_be = comparison.plans_before[plan], comparison.plans_after[plan]
        table.add_row(f"plan {plan}", money(was), money(would_be), signed(would_be - was))
    yield f"{currency}: {comparison.orders:,} orders", table
    yield people_title(currency, comparison), people_table(currency, comparison, "today", "draft")
    if comparison.thin_after:
        lines = _table("order", "product", "net", "commissions")
        for line in comparison.thinnest():
            lines.add_row(
                f"{line.key} line {line.line}",
                str(line.product_id),
                money(line.net_minor),
                money(line.commission_minor),
            )
        yield f"{currency}: the thinnest lines under the draft", lines


def people_title(currency: str, comparison: Comparison) -> str:
    changes = comparison.changes()
    gains, losses = gains_and_losses(changes)
    same = len(changes) - len(gains) - len(losses)
    return f"{currency}: {len(gains):,} distributors gain, {len(losses):,} lose, {same:,} stay the same"


def people_table(currency: str, comparison: Comparison, before: str, after: str) -> Table:
    """Who gains most and who loses most."""
    gains, losses = gains_and_losses(comparison.changes())
    table = _table("distributor", before, after, "change")
    for change in (*gains[:SHOWN_MAX], *reversed(losses[:SHOWN_MAX])):
        was, would_be = (f"{to_amount(minor, currency):,}" for minor in (change.before_minor, change.after_minor))
        table.add_row(str(change.distributor_id), was, would_be, f"{to_amount(change.change_minor, currency):+,}")
    return table


def print_table(console: Console, title: str, table: Table) -> None:
    """Print the title on its own line, because rich would wrap it to the width of a narrow table."""
    console.print(f"\n{title}", highlight=False, markup=False, style="italic")
    console.print(table)


def _remarks(found: Backtest) -> Iterator[str]:
    yield f"{found.orders:,} paid orders, net of refunds; nothing was written."
    if found.not_booked:
        yield f"{found.not_booked:,} paid orders have no commissions yet and are left out; try again in a moment."
    if found.other_markets:
        yield f"{found.other_markets:,} orders are of other markets than {found.market} and are left out."
    if not found.market_is_known:
        yield f"Market {found.market} is not defined, so its limits were not checked: `tributary rules market FILE`."
    for breach in found.breaches:
        clause = f" ({breach.clause})" if breach.clause else ""
        yield f"It cannot be activated: {breach.detail}; {breach.limit}{clause}."


def as_object(found: Backtest) -> dict[str, Any]:
    """Everything, with amounts and rates as decimal strings, and every distributor."""
    return {
        "title": found.title,
        "market": found.market,
        "market_is_known": found.market_is_known,
        "from": found.first_day.isoformat(),
        "to": found.last_day.isoformat(),
        "orders": found.orders,
        "not_booked": found.not_booked,
        "other_markets": found.other_markets,
        "margin_floor": format(to_rate(found.margin_floor_ppm), "f"),
        "breaches": [{"limit": b.limit, "detail": b.detail, "clause": b.clause} for b in found.breaches],
        "currencies": {
            currency: _comparison_object(comparison, currency)
            for currency, comparison in sorted(found.by_currency.items())
        },
    }


def _comparison_object(comparison: Comparison, currency: str) -> dict[str, Any]:
    def money(minor: int) -> str:
        return str(to_amount(minor, currency))

    changes = comparison.changes()
    gains, losses = gains_and_losses(changes)
    plans = sorted(comparison.plans_before.keys() | comparison.plans_after.keys())
    return {
        "orders": comparison.orders,
        "lines": comparison.lines,
        "sales": money(comparison.sales_minor),
        "today": money(comparison.before_minor),
        "draft": money(comparison.after_minor),
        "change": money(comparison.after_minor - comparison.before_minor),
        "plans": {
            plan: {"today": money(comparison.plans_before[plan]), "draft": money(comparison.plans_after[plan])}
            for plan in plans
        },
        "months": {
            name: {
                "sales": money(month.sales_minor),
                "today": money(month.before_minor),
                "draft": money(month.after_minor),
            }
            for name, month in sorted(comparison.by_month.items())
        },
        "thin_lines": {
            "today": comparison.thin_before,
            "draft": comparison.thin_after,
            "thinnest": [
                {
                    "order": line.key,
                    "line": line.line,
                    "product_id": line.product_id,
                    "net": money(line.net_minor),
                    "commissions": money(line.commission_minor),
                }
                for line in comparison.thinnest()
            ],
        },
        "gaining": len(gains),
        "losing": len(losses),
        "distributors": [change_object(change, currency, "today", "draft") for change in changes],
    }


def change_object(change: Change, currency: str, before: str, after: str) -> dict[str, Any]:
    return {
        "distributor_id": change.distributor_id,
        before: str(to_amount(change.before_minor, currency)),
        after: str(to_amount(change.after_minor, currency)),
        "change": str(to_amount(change.change_minor, currency)),
    }


def _table(*headers: str) -> Table:
    table = Grid()
    for number, header in enumerate(headers):
        table.add_column(header, justify="right" if number else "left")
    return table


def _percent(part: int, whole: int) -> str:
    return f"{Decimal(part) / whole * 100:.2f} %" if whole else ""
