"""The figures of a distributor's calendar month: own sales, what each plan paid, and what was booked. Amounts in
minor units.

Collection `commission_calculation.earnings`, owned by `commission_calculation`. It counts every order, even if
its rules do not need the figures, because later rules may need them. All of it can be rebuilt from the commissions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple, Self

from contracts.commissions.view import BALANCE_STRIPES, Commission, Posting
from contracts.rules.view import DEFAULT_MARKET

EARNINGS = "commission_calculation.earnings"

EARNINGS_STRIPES = 1 + BALANCE_STRIPES
"""A month is the sum of this many documents. Stripe 0 is for orders whose rules depend on earlier earnings: two such
orders of one month write the same document, so one waits for the other. All other orders only add to the stripe of
their process, and never wait."""

SUFFIXES_KEPT_MAX = 256
"""Keys are made for every earner of every order, and consecutive orders mostly share month, currency and market."""

_SALES, _REFUNDED, _PAID = "own_sales_minor", "own_refunded_minor", "paid_minor"
_ORDERS, _BOOKED = "orders", "booked_minor"
FIGURES = (_ORDERS, _SALES, _REFUNDED, _BOOKED)
"""The fields of a month that do not grow with its days."""

_OF_DAY, _OF_MONTH = "day_minor", "month_minor"
"""Sums that only capped plans had, in documents older than `paid_minor`, which counts every plan."""


class Tally(NamedTuple):
    """What one order adds to one distributor's month; `paid_minor` is by plan, and falls on `day`.

    `orders` counts the seller's. `booked_minor` is what was posted to the distributor in this month: accruals less
    reversals, whatever month the order was placed in.
    """

    key: str
    own_sales_minor: int = 0
    own_refunded_minor: int = 0
    day: str = ""
    paid_minor: Mapping[str, int] = {}
    orders: int = 0
    booked_minor: int = 0


@dataclass(frozen=True, slots=True)
class Earnings:
    """A distributor's month in one currency and market, summed over its stripes.

    `own_sales_minor` is gross, `own_refunded_minor` what was refunded of it. What plans paid, by day and plan and in
    the whole month, is counted when it accrues; later reversals do not reduce it. `orders` are the paid orders sold;
    `booked_minor` is what was posted in the month, less what was reversed in it, for orders of any month.
    """

    own_sales_minor: int = 0
    own_refunded_minor: int = 0
    day_minor: Mapping[tuple[str, str], int] = field(default_factory=dict)
    month_minor: Mapping[str, int] = field(default_factory=dict)
    orders: int = 0
    booked_minor: int = 0

    def plus(self, tally: Tally) -> Self:
        of_day = {(tally.day, plan): amount for plan, amount in tally.paid_minor.items()}
        return type(self)(
            self.own_sales_minor + tally.own_sales_minor,
            self.own_refunded_minor + tally.own_refunded_minor,
            {**self.day_minor, **{at: self.day_minor.get(at, 0) + amount for at, amount in of_day.items()}},
            {**self.month_minor, **{p: self.month_minor.get(p, 0) + n for p, n in tally.paid_minor.items()}},
            self.orders + tally.orders,
            self.booked_minor + tally.booked_minor,
        )


def tallies_of(before: Commission | None, after: Commission) -> Sequence[Tally]:
    """What a new commission, or the change of a known one, adds to the months of its seller and its earners."""
    if before is not None and before.lines is after.lines:
        return ()
    placed_on = after.day
    suffix = _key_suffix(placed_on.year, placed_on.month, after.currency, after.market)
    refunded_minor = sum([line.refunded_minor for line in after.lines])
    if before is not None:
        refunded_minor -= sum([line.refunded_minor for line in before.lines])
        own_refunds = (Tally(f"{after.seller_id}{suffix}", 0, refunded_minor),) if refunded_minor else ()
        return (*own_refunds, *_taken_back(after, len(before.reversals)))
    paid: dict[int, dict[str, int]] = {}
    for entry in after.entries:
        earner, plan = entry.distributor_id, entry.plan
        by_plan = paid.get(earner)
        if by_plan is None:
            paid[earner] = {plan: entry.amount_minor}
        else:
            by_plan[plan] = by_plan.get(plan, 0) + entry.amount_minor
    day, seller_id = day_of(placed_on), after.seller_id
    net_minor = sum([line.net_minor for line in after.lines])
    accrued_at, sellers = after.accrued_at, paid.pop(seller_id, {})
    booked_suffix = _key_suffix(accrued_at.year, accrued_at.month, after.currency, after.market)
    if booked_suffix == suffix:
        own = Tally(f"{seller_id}{suffix}", net_minor, refunded_minor, day, sellers, 1, sum(sellers.values()))
        tallies = [own]
        tallies += [Tally(f"{d}{suffix}", 0, 0, day, plans, 0, sum(plans.values())) for d, plans in paid.items()]
    else:
        tallies = [Tally(f"{seller_id}{suffix}", net_minor, refunded_minor, day, sellers, 1)]
        tallies += [Tally(f"{d}{suffix}", 0, 0, day, plans) for d, plans in paid.items()]
        paid[seller_id] = sellers
        tallies += [Tally(f"{d}{booked_suffix}", booked_minor=sum(plans.values())) for d, plans in paid.items()]
    return [*tallies, *_taken_back(after, 0)] if after.reversals else tallies


def _taken_back(commission: Commission, known: int) -> Iterator[Tally]:
    """What the new reversals, those after the first `known`, take from the months they were posted in."""
    for reversal in commission.reversals[known:]:
        suffix = _key_suffix(reversal.at.year, reversal.at.month, commission.currency, commission.market)
        sums: Counter[int] = Counter()
        for entry, amount in zip(commission.entries, reversal.amounts_minor, strict=True):
            sums[entry.distributor_id] += amount
        for earner, amount in sums.items():
            yield Tally(f"{earner}{suffix}", booked_minor=amount)


def increments_of(tallies: Iterable[Tally]) -> dict[str, dict[str, int]]:
    """What to add to each month's document, by key, then by field path; zeros are left out."""
    months: dict[str, dict[str, int]] = {}
    for key, sales, refunded, day, paid, orders, booked in tallies:
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
        if orders:
            fields[_ORDERS] = fields.get(_ORDERS, 0) + orders
        if booked:
            fields[_BOOKED] = fields.get(_BOOKED, 0) + booked
    return {key: fields for key, fields in months.items() if fields}


def months_of(documents: Iterable[Mapping[str, object]]) -> dict[str, Earnings]:
    """The months that these stripes belong to, by key."""
    stripes: dict[str, list[Mapping[str, object]]] = {}
    for document in documents:
        stripes.setdefault(key_of(document), []).append(document)
    return {key: _month_of(some) for key, some in stripes.items()}


def earnings_key(distributor_id: int, day: date, currency: str, market: str) -> str:
    """`distributor/month/currency`, with `/market` unless it is the default market. The day is that of the order in the
    zone of its rules.
    """
    return f"{distributor_id}{_key_suffix(day.year, day.month, currency, market)}"


def earnings_id(key: str, stripe: int) -> str:
    """The `_id` of a document of `EARNINGS`."""
    return f"{key}#{stripe}" if stripe else key


def in_month(distributor_id: int, month: str) -> dict[str, Any]:
    """The query for the documents of a distributor's month (`2026-11`), in every currency and market."""
    return {"_id": {"$gte": f"{distributor_id}/{month}/", "$lt": f"{distributor_id}/{month}0"}}


def in_any_month(distributor_id: int) -> dict[str, Any]:
    """The query for the documents of all of a distributor's months."""
    return {"_id": {"$gte": f"{distributor_id}/", "$lt": f"{distributor_id}0"}}


def currency_of(document: Mapping[str, object]) -> str:
    """The currency of a document of `EARNINGS`."""
    return key_of(document).split("/")[2]


class Bookings:
    """Compares the postings with the booked sums of the months. To bound memory, it keeps one figure for each
    distributor and currency, in which each month has its own weight.
    """

    __slots__ = ("_posted", "_stored")

    def __init__(self) -> None:
        self._posted: Counter[tuple[int, str]] = Counter()
        self._stored: Counter[tuple[int, str]] = Counter()

    def post(self, posting: Posting) -> None:
        if posting.kind != "release":
            weight = _weight(posting.posted_at.year, posting.posted_at.month)
            for leg in posting.legs:
                if leg.distributor_id:
                    self._posted[leg.distributor_id, posting.currency] += leg.amount_minor * weight

    def store(self, document: Mapping[str, object]) -> None:
        """Count a document of `EARNINGS`."""
        if _BOOKED in document:
            distributor_id, month, currency = key_of(document).split("/")[:3]
            year, _, number = month.partition("-")
            amount = _number(document[_BOOKED])
            self._stored[int(distributor_id), currency] += amount * _weight(int(year), int(number))

    def faults(self) -> Iterator[tuple[int, str]]:
        """Yield each distributor with a month that differs, and a sentence."""
        for key in sorted(self._posted.keys() | self._stored.keys()):
            if self._posted[key] != self._stored[key]:
                distributor_id, currency = key
                yield (
                    distributor_id,
                    f"what was booked by month in {currency} is not what was posted; "
                    "`tributary ledger rebuild --check` names the months",
                )


def _weight(year: int, month: int) -> int:
    return (12 * year + month) ** 2


def key_of(document: Mapping[str, object]) -> str:
    """The key of the month that a document of `EARNINGS` belongs to."""
    return str(document["_id"]).partition("#")[0]


def day_of(day: date) -> str:
    """The day of the month, as two digits."""
    return f"{day.day:02}"


def month_of(day: date) -> str:
    """Year and month."""
    return _month(day.year, day.month)


def _month(year: int, month: int) -> str:
    """Formatted by hand: every order needs it several times, and `strftime` is slower."""
    return f"{year:04}-{month:02}"


@lru_cache(maxsize=SUFFIXES_KEPT_MAX)
def _key_suffix(year: int, month: int, currency: str, market: str) -> str:
    """The common part of the keys of an order's months."""
    suffix = f"/{_month(year, month)}/{currency}"
    return suffix if market == DEFAULT_MARKET else f"{suffix}/{market}"


def _month_of(stripes: Iterable[Mapping[str, object]]) -> Earnings:
    own: Counter[str] = Counter()
    days: Counter[tuple[str, str]] = Counter()
    month: Counter[str] = Counter()
    for document in stripes:
        for name in FIGURES:
            own[name] += _number(document.get(name))
        for plan, amount in _items(document.get(_OF_MONTH)):
            month[plan] += _number(amount)
        for name in (_PAID, _OF_DAY):
            for day, plans in _items(document.get(name)):
                for plan, amount in _items(plans):
                    days[day, plan] += _number(amount)
                    if name == _PAID:
                        month[plan] += _number(amount)
    return Earnings(own[_SALES], own[_REFUNDED], dict(days), dict(month), own[_ORDERS], own[_BOOKED])


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _items(value: object) -> Iterable[tuple[str, object]]:
    return value.items() if isinstance(value, Mapping) else ()
