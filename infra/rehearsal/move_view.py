"""Output of the rehearsal of a move: tables for people, one object for programs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rich.console import Console

from contracts.money import to_amount
from infra.rehearsal.move import MovePreview
from infra.rehearsal.view import change_object, people_table, people_title, print_table
from infra.terminal.printing import printable


def print_preview(found: MovePreview, console: Console) -> None:
    def add(sentence: str) -> None:
        console.print(printable(sentence), highlight=False, markup=False, soft_wrap=True)

    where = f"below {', below '.join(map(str, found.chain[:3]))}" if found.chain else "at the top of the network"
    more = f" and {len(found.chain) - 3} more" if len(found.chain) > 3 else ""
    add(f"Distributor {found.distributor_id} would be {where}{more}.")
    days = f"from {found.begin:%Y-%m-%d} to {found.end - timedelta(days=1):%Y-%m-%d}"
    if not found.orders:
        add(f"No paid order went through distributor {found.distributor_id} {days}.")
        if found.newest is not None and found.newest < found.begin:
            add(f"The newest stored order is of {found.newest:%Y-%m-%d}: try --until {found.newest:%Y-%m-%d}.")
        return
    add(f"{found.orders:,} paid orders of {len(found.sellers):,} sellers went through it {days}.")
    if sum(comparison.orders for comparison in found.by_currency.values()) > found.orders:
        add("Caps and own sales count everyone's orders of the time, so the figures include all of them.")
    for currency, comparison in sorted(found.by_currency.items()):
        before, after = (to_amount(m, currency) for m in (comparison.before_minor, comparison.after_minor))
        add(f"In {currency} they paid {before:,}, and would have paid {after:,} ({after - before:+,}).")
        print_table(console, people_title(currency, comparison), people_table(currency, comparison, "paid", "would be"))


def as_object(found: MovePreview) -> dict[str, Any]:
    return {
        "distributor_id": found.distributor_id,
        "chain": list(found.chain),
        "from": found.begin.date().isoformat(),
        "to": (found.end - timedelta(days=1)).date().isoformat(),
        "orders": found.orders,
        "sellers": len(found.sellers),
        "currencies": {
            currency: {
                "paid": str(to_amount(comparison.before_minor, currency)),
                "would_be": str(to_amount(comparison.after_minor, currency)),
                "distributors": [
                    change_object(change, currency, "paid", "would_be")
                    for change in comparison.changes()
                    if change.change_minor
                ],
            }
            for currency, comparison in sorted(found.by_currency.items())
        },
    }
