"""A draft rule set applied to the orders of a period, compared with what was booked for them."""

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
"""Called after each slice with the number of orders so far, and when the last of them was placed."""

_markets = Codec(Market, key="market")


@dataclass(slots=True)
class Backtest:
    """The result. Days are whole and in UTC, the last one included.

    `not_booked` orders are paid but have no commission yet, and `other_markets` counts orders of other markets: neither
    is in any figure. `market_is_known` is False if the draft's market is not defined.
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
    """Rehearse the draft with the paid orders placed from `first_day` to `last_day`; nothing is written.

    Own sales and caps of a month count from its first day, even if the period begins later.
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
    """Where to start reading orders so that the running figures at `begin` are right."""
    needed = [needs(terms) for terms in all_terms]
    if any(one.own_sales or one.month for one in needed):
        return begin.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if any(one.day for one in needed):
        return begin.replace(hour=0, minute=0, second=0, microsecond=0)
    return begin


async def _market(read: Read, name: str) -> Market | None:
    """The market's limits; the default market has limits without a definition."""
    stored = await read.find(MARKETS, {"_id": name})
    if stored:
        return _markets.to_entity(stored[0])
    return DEFAULTS if name == DEFAULTS.market else None
