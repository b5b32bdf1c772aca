"""What is remembered of a distributor's calendar month: own sales, and what each plan paid. Amounts in minor units.

Collection `commission_calculation.earnings`, owned by `commission_calculation`. It counts every order, whatever its
rules ask for, because rules that begin later may ask. All of it follows from the commissions and can be rebuilt.

A figure is named by its path in the document: `own_sales_minor`, `month_minor.levels`, `day_minor.17.levels`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from contracts.commissions.view import BALANCE_STRIPES, Commission
from contracts.rules.view import DEFAULT_MARKET

EARNINGS = "commission_calculation.earnings"

EARNINGS_STRIPES = 1 + BALANCE_STRIPES
"""A month is the sum of so many documents. Stripe 0 is for orders whose rules ask what was earned before: two of them
that meet in a month write the same document, so one waits for the other. All other orders only add to the stripe of
their process, and so never wait."""

OWN_SALES = "own_sales_minor"
"""Gross own sales. `OWN_REFUNDED` is what was given back of them."""

OWN_REFUNDED = "own_refunded_minor"

Figures = Mapping[str, int]
"""What a month comes to, or what is added to it, by the path of each figure. What is absent is 0."""


class Tally(NamedTuple):
    """What one order adds to one distributor's month."""

    key: str
    figures: Figures


def month_path(plan: str) -> str:
    """What a plan paid in the month. It is counted at accrual, and what is reversed later does not reduce it."""
    return f"month_minor.{plan}"


def day_path(plan: str, placed_at: datetime) -> str:
    """What a plan paid on the order's day, in UTC."""
    return f"day_minor.{placed_at.day:02}.{plan}"


def earnings_key(distributor_id: int, placed_at: datetime, currency: str, market: str) -> str:
    """`distributor/month/currency`, and `/market` where it is not the default one."""
    return f"{distributor_id}{_key_suffix(placed_at, currency, market)}"


def earnings_id(key: str, stripe: int) -> str:
    """The key of a document of `EARNINGS`."""
    return f"{key}#{stripe}" if stripe else key


def months_of(documents: Iterable[Mapping[str, object]]) -> dict[str, Counter[str]]:
    """The months that these stripes belong to, by key."""
    months: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for document in documents:
        months[str(document["_id"]).partition("#")[0]].update(dict(_figures(document, "")))
    return months


def tallies_of(before: Commission | None, after: Commission) -> Iterator[Tally]:
    """What a new commission, or the change of a known one, adds to the months of its seller and its earners."""
    if before is not None and before.lines is after.lines:
        return
    suffix = _key_suffix(after.placed_at, after.currency, after.market)
    of_seller: dict[str, int] = {}
    by_earner = {after.seller_id: of_seller}
    refunded_minor = sum(line.refunded_minor for line in after.lines)
    if before is None:
        of_seller[OWN_SALES] = sum(line.net_minor for line in after.lines)
        for entry in after.entries:
            figures = by_earner.setdefault(entry.distributor_id, {})
            for path in (month_path(entry.plan), day_path(entry.plan, after.placed_at)):
                figures[path] = figures.get(path, 0) + entry.amount_minor
    else:
        refunded_minor -= sum(line.refunded_minor for line in before.lines)
    if refunded_minor:
        of_seller[OWN_REFUNDED] = refunded_minor
    for earner, figures in by_earner.items():
        yield Tally(f"{earner}{suffix}", figures)


def plus(figures: Figures, *added: Figures) -> Figures:
    """The month after these additions."""
    for more in added:
        figures = {**figures, **{path: figures.get(path, 0) + amount for path, amount in more.items()}}
    return figures


def summed(tallies: Iterable[Tally]) -> dict[str, Counter[str]]:
    """What to add to each month, by key."""
    months: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for key, figures in tallies:
        months[key].update(figures)
    return months


def _key_suffix(placed_at: datetime, currency: str, market: str) -> str:
    """What the keys of an order's months have in common; the month is that of `placed_at` in UTC."""
    month = f"/{placed_at.year:04}-{placed_at.month:02}/{currency}"
    return month if market == DEFAULT_MARKET else f"{month}/{market}"


def _figures(value: Mapping[str, object], path: str) -> Iterator[tuple[str, int]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _figures(inner, f"{path}{name}.")
        elif isinstance(inner, int):
            yield f"{path}{name}", inner
