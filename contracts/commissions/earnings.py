"""What is remembered of a distributor's calendar month: own sales, and what each plan paid. Amounts in minor units.

Collection `commission_calculation.earnings`, owned by `commission_calculation`. It counts every order, whatever its
rules ask for, because rules that begin later may ask. All of it follows from the commissions and can be rebuilt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, Self

from contracts.commissions.view import BALANCE_STRIPES, Commission
from contracts.rules.view import DEFAULT_MARKET

EARNINGS = "commission_calculation.earnings"

EARNINGS_STRIPES = 1 + BALANCE_STRIPES
"""A month is the sum of so many documents. Stripe 0 is for orders whose rules ask what was earned before: two of them
that meet in a month write the same document, so one waits for the other. All other orders only add to the stripe of
their process, and so never wait."""

SUFFIXES_KEPT_MAX = 256
"""Keys are made for every earner of every order, and most orders of a while share their month, currency and market."""

_SALES, _REFUNDED, _PAID = "own_sales_minor", "own_refunded_minor", "paid_minor"
_OF_DAY, _OF_MONTH = "day_minor", "month_minor"
"""Sums that only capped plans had, in documents that were begun before every plan was counted by `paid_minor`."""


class Tally(NamedTuple):
    """What one order adds to one distributor's month; `paid_minor` is by plan, and falls on `day`."""

    key: str
    own_sales_minor: int = 0
    own_refunded_minor: int = 0
    day: str = ""
    paid_minor: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class Earnings:
    """A distributor's month in one currency and market, summed over its stripes.

    `own_sales_minor` is gross, `own_refunded_minor` what was given back of it. What plans paid, by day and plan and in
    the whole month, is counted when it accrues, and what is reversed later does not reduce it.
    """

    own_sales_minor: int = 0
    own_refunded_minor: int = 0
    day_minor: Mapping[tuple[str, str], int] = field(default_factory=dict)
    month_minor: Mapping[str, int] = field(default_factory=dict)

    def plus(self, tally: Tally) -> Self:
        of_day = {(tally.day, plan): amount for plan, amount in tally.paid_minor.items()}
        return type(self)(
            self.own_sales_minor + tally.own_sales_minor,
            self.own_refunded_minor + tally.own_refunded_minor,
            {**self.day_minor, **{at: self.day_minor.get(at, 0) + amount for at, amount in of_day.items()}},
            {**self.month_minor, **{p: self.month_minor.get(p, 0) + n for p, n in tally.paid_minor.items()}},
        )


def tallies_of(before: Commission | None, after: Commission) -> Sequence[Tally]:
    """What a new commission, or the change of a known one, adds to the months of its seller and its earners."""
    if before is not None and before.lines is after.lines:
        return ()
    suffix = _key_suffix(after.placed_at.year, after.placed_at.month, after.currency, after.market)
    refunded_minor = sum([line.refunded_minor for line in after.lines])
    if before is not None:
        refunded_minor -= sum([line.refunded_minor for line in before.lines])
        return (Tally(f"{after.seller_id}{suffix}", 0, refunded_minor),) if refunded_minor else ()
    paid: dict[int, dict[str, int]] = {}
    for entry in after.entries:
        earner, plan = entry.distributor_id, entry.plan
        by_plan = paid.get(earner)
        if by_plan is None:
            paid[earner] = {plan: entry.amount_minor}
        else:
            by_plan[plan] = by_plan.get(plan, 0) + entry.amount_minor
    day, seller_id = day_of(after.placed_at), after.seller_id
    net_minor = sum([line.net_minor for line in after.lines])
    own = Tally(f"{seller_id}{suffix}", net_minor, refunded_minor, day, paid.pop(seller_id, {}))
    return [own, *[Tally(f"{earner}{suffix}", 0, 0, day, by_plan) for earner, by_plan in paid.items()]]


def increments_of(tallies: Iterable[Tally]) -> dict[str, dict[str, int]]:
    """What to add to the document of each month, by its key and then by the field's path; zeros are left out."""
    months: dict[str, dict[str, int]] = {}
    for key, sales, refunded, day, paid in tallies:
        fields = months.get(key)
        if fields is None:
            fields = months[key] = {}
        if sales:
            fields[_SALES] = fields.get(_SALES, 0) + sales
        if refunded:
            fields[_REFUNDED] = fields.get(_REFUNDED, 0) + refunded
        for plan, amount in paid.items():
            path = f"{_PAID}.{day}.{plan}"
            fields[path] = fields.get(path, 0) + amount
    return {key: fields for key, fields in months.items() if fields}


def months_of(documents: Iterable[Mapping[str, object]]) -> dict[str, Earnings]:
    """The months that these stripes belong to, by key."""
    stripes: dict[str, list[Mapping[str, object]]] = {}
    for document in documents:
        stripes.setdefault(key_of(document), []).append(document)
    return {key: _month_of(some) for key, some in stripes.items()}


def earnings_key(distributor_id: int, placed_at: datetime, currency: str, market: str) -> str:
    """`distributor/month/currency`, and `/market` where it is not the default one."""
    return f"{distributor_id}{_key_suffix(placed_at.year, placed_at.month, currency, market)}"


def earnings_id(key: str, stripe: int) -> str:
    """The `_id` of a document of `EARNINGS`."""
    return f"{key}#{stripe}" if stripe else key


def key_of(document: Mapping[str, object]) -> str:
    """Which month a document of `EARNINGS` is a part of."""
    return str(document["_id"]).partition("#")[0]


def day_of(placed_at: datetime) -> str:
    """The day of the month in UTC, as two digits."""
    return f"{placed_at.day:02}"


def month_of(placed_at: datetime) -> str:
    """Year and month in UTC."""
    return _month(placed_at.year, placed_at.month)


def _month(year: int, month: int) -> str:
    """Every order asks several times, and formatting a time by a pattern takes longer."""
    return f"{year:04}-{month:02}"


@lru_cache(maxsize=SUFFIXES_KEPT_MAX)
def _key_suffix(year: int, month: int, currency: str, market: str) -> str:
    """What the keys of an order's months have in common; the month is that of `placed_at` in UTC."""
    suffix = f"/{_month(year, month)}/{currency}"
    return suffix if market == DEFAULT_MARKET else f"{suffix}/{market}"


def _month_of(stripes: Iterable[Mapping[str, object]]) -> Earnings:
    own: Counter[str] = Counter()
    days: Counter[tuple[str, str]] = Counter()
    month: Counter[str] = Counter()
    for document in stripes:
        for name in (_SALES, _REFUNDED):
            own[name] += _number(document.get(name))
        for plan, amount in _items(document.get(_OF_MONTH)):
            month[plan] += _number(amount)
        for name in (_PAID, _OF_DAY):
            for day, plans in _items(document.get(name)):
                for plan, amount in _items(plans):
                    days[day, plan] += _number(amount)
                    if name == _PAID:
                        month[plan] += _number(amount)
    return Earnings(own[_SALES], own[_REFUNDED], dict(days), dict(month))


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _items(value: object) -> Iterable[tuple[str, object]]:
    return value.items() if isinstance(value, Mapping) else ()
