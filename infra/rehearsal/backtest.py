"""A draft rule set over the orders of a period, against what was really booked for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from contracts.plans.calculation import needs
from contracts.plans.compliance import DEFAULTS, Breach, breaches
from contracts.rules.view import MARKETS, RULES, Market, Terms
from infra.auditing.audit import Read
from infra.rehearsal.comparison import Comparison
from infra.rehearsal.orders import past_orders
from infra.rehearsal.promise import Promise
from infra.runtime.repository import Codec

OnProgress = Callable[[int, datetime], None]
"""Told after each slice: so many orders so far, the last of them placed at that moment."""

_markets = Codec(Market, key="market")


@dataclass(slots=True)
class Backtest:
    """What came of it. Days are whole and in UTC, the last one included.

    `not_booked` orders are paid but have no commission yet, and `other_markets` are not the draft's business: neither
    is in any figure. `market_is_known` is False where nobody has said what the draft's market allows.
    """

    title: str
    market: str
    first_day: date
    last_day: date
    margin_floor_ppm: int
    breaches: tuple[Breach, ...] = ()
    market_is_known: bool = True
    orders: int = 0
    not_booked: int = 0
    other_markets: int = 0
    by_currency: dict[str, Comparison] = field(default_factory=dict)


async def backtest(
    read: Read,
    draft: Terms,
    first_day: date,
    last_day: date,
    *,
    margin_floor_ppm: int = 500_000,
    on_progress: OnProgress = lambda orders, reached: None,
) -> Backtest:
    """Rehearse the draft over the paid orders placed from `first_day` to `last_day`; nothing is written.

    The draft's own sales and caps of a month count from the month's beginning, even where the period begins later.
    """
    found = Backtest(draft.title, draft.market, first_day, last_day, margin_floor_ppm)
    market = await _market(read, draft.market)
    found.market_is_known = market is not None
    found.breaches = breaches(draft, market) if market is not None else ()
    markets = {rules["_id"]: rules["terms"]["market"] for rules in await read.find(RULES, {}, fields=("terms.market",))}
    promise = Promise(lambda order: draft)
    begin, end = start_of(first_day), start_of(last_day + timedelta(days=1))
    async for orders in past_orders(read, {}, warm_up_from(begin, [draft]), end):
        for order in orders:
            if markets.get(order.rule_version, draft.market) != draft.market:
                found.other_markets += order.placed_at >= begin
                continue
            after = promise.book(order)
            if order.placed_at < begin:
                continue
            if order.booked is None:
                found.not_booked += 1
                continue
            found.orders += 1
            currency = order.sale.currency
            comparison = found.by_currency.get(currency)
            if comparison is None:
                comparison = found.by_currency[currency] = Comparison(margin_floor_ppm)
            comparison.add(order, order.booked, after)
        on_progress(found.orders, orders[-1].placed_at)
    return found


def start_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def warm_up_from(begin: datetime, all_terms: list[Terms]) -> datetime:
    """From when on orders have to be gone through so that the running figures at `begin` are right."""
    asked = [needs(terms) for terms in all_terms]
    if any(one.own_sales or one.month for one in asked):
        return begin.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if any(one.day for one in asked):
        return begin.replace(hour=0, minute=0, second=0, microsecond=0)
    return begin


async def _market(read: Read, name: str) -> Market | None:
    """What the market allows; the default market has its limits without being defined."""
    stored = await read.find(MARKETS, {"_id": name})
    if stored:
        return _markets.to_entity(stored[0])
    return DEFAULTS if name == DEFAULTS.market else None
