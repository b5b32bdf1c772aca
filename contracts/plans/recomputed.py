"""The figures of stored orders and commissions, recomputed for audits independently of the rules that wrote them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from contracts.commissions.earnings import Earnings
from contracts.commissions.view import Account, AccountKey, Commission, LineRefund
from contracts.plans.reversal import WITHIN_THE_POOL, pool_left
from contracts.plans.sale import Earner, Sale, SaleLine
from contracts.rules.view import Caps, Terms

Document = Mapping[str, Any]

SALES, REFUNDED, ORDERS = "own sales", "refunds of own sales", "orders"
"""Figures of a month that belong to no plan; `on_day` and `in_month` name the others."""


def sale_of(order: Document) -> Sale:
    """The stored order as the plans see it."""
    team = order.get("team")
    leader = Earner(0, team["leader_id"], team["leader_tier"], team["leader_active"]) if team else None
    return Sale(
        order["currency"],
        tuple(
            SaleLine(
                line["line"],
                line["product_id"],
                line["category_id"],
                line["quantity"],
                line["amount_minor"] - line["discount_minor"],
            )
            for line in order["lines"]
        ),
        tuple(Earner(up["level"], up["distributor_id"], up["tier"], up["active"]) for up in order["upline"]),
        leader,
    )


def refunds_of(order: Document, sale: Sale) -> tuple[LineRefund, ...]:
    """How much of each line was refunded: all of it if the order was cancelled."""
    is_cancelled = order["status"] == "cancelled"
    return tuple(
        LineRefund(line.line, line.net_minor, line.quantity, line.net_minor, line.quantity)
        if is_cancelled
        else LineRefund(
            line.line,
            line.net_minor,
            line.quantity,
            stored.get("refunded_minor", 0),
            stored.get("refunded_quantity", 0),
        )
        for line, stored in zip(sale.lines, order["lines"], strict=True)
    )


def beyond_pools(commission: Commission) -> Iterator[str]:
    """Yield a sentence for each line that still pays more than the pool of what is left of it. Before arithmetic 3 it
    could.
    """
    if commission.arithmetic < WITHIN_THE_POOL:
        return
    left: Counter[int] = Counter()
    for entry, amount in zip(commission.entries, commission.remaining_minor(), strict=True):
        left[entry.line] += amount
    for pool_minor, line in zip(commission.pools_minor, commission.lines, strict=True):
        # Whole numbers on both sides: what is left, of the line's money or (of a gift) its units.
        all_, gone = line.net_minor, line.refunded_minor
        if all_ == 0:
            all_, gone = line.quantity, line.refunded_quantity
        if left[line.line] * all_ > pool_minor * (all_ - gone):
            yield f"line {line.line} pays {left[line.line]} of a pool of {pool_minor}, and {gone} of {all_} came back"


def given_back(order: Document, sale: Sale, commission: Commission) -> Iterator[tuple[int, datetime | None]]:
    """The refunds of an order, each with its time in the month's figures, if the order states one.

    A commission that lacks a refund, or has a wrong one, is a breach of its own; here the commission's figures count.
    """
    left = sum(line.refunded_minor for line in commission.lines)
    if commission.lines == refunds_of(order, sale):
        for refund in order.get("refunds", ()):
            amount = sum(part["amount_minor"] for part in refund["lines"])
            left -= amount
            yield amount, max(refund["at"], commission.accrued_at)
    ended = commission.reversals[-1] if commission.reversals and order["status"] == "cancelled" else None
    if left:
        yield left, max(ended.at, commission.accrued_at) if ended else None


def booked_by(commission: Commission) -> Iterator[tuple[AccountKey, int]]:
    """The balances that follow from a commission alone: what is left of its entries and its pool."""
    account: Account = "held" if commission.status == "held" else "available"
    left = commission.remaining_minor()
    for entry, amount in zip(commission.entries, left, strict=True):
        yield (entry.distributor_id, commission.currency, account), amount
    pool = sum(
        pool_left(pool_minor, line, commission.arithmetic)
        for pool_minor, line in zip(commission.pools_minor, commission.lines, strict=True)
    )
    yield (0, commission.currency, "pool"), -pool
    yield (0, commission.currency, "breakage"), pool - sum(left)


def beyond_caps(commission: Commission, terms: Terms) -> Iterator[str]:
    """Yield a sentence for each distributor who got more from a plan than its daily and monthly caps left after earlier
    payments.
    """
    capped = {plan.name: plan.caps for plan in terms.plans if plan.caps.day or plan.caps.month}
    got: Counter[tuple[str, int]] = Counter()
    for entry in commission.entries if capped else ():
        got[entry.plan, entry.distributor_id] += entry.amount_minor
    for (plan, earner), amount in got.items():
        caps, earned = capped.get(plan, Caps()), commission.earned
        for period, limits, sums in (("day", caps.day, earned.day_minor), ("month", caps.month, earned.month_minor)):
            cap, before = limits.get(commission.currency), sums.get(plan, {}).get(earner, 0)
            if cap is not None and before + amount > cap:
                paid = f"{before} and {amount} of plan {plan} for distributor {earner}"
                yield f"{paid} exceed its cap of {cap} a {period}"


def gross_sales(commission: Commission) -> Mapping[int, int]:
    """The own sales that an order was calculated with, before refunds."""
    return Counter(commission.earned.own_sales_minor) + Counter(commission.earned.own_refunded_minor or {})


def figures_of(month: Earnings) -> Counter[str]:
    """The figures of a stored month, by the names that breaches use."""
    figures = Counter({SALES: month.own_sales_minor, REFUNDED: month.own_refunded_minor, ORDERS: month.orders})
    figures.update({on_day(plan, day): amount for (day, plan), amount in month.day_minor.items()})
    figures.update({in_month(plan): amount for plan, amount in month.month_minor.items()})
    return figures


@lru_cache(maxsize=1_000)
def on_day(plan: str, day: str) -> str:
    return f"plan {plan} on day {day}"


@lru_cache(maxsize=1_000)
def in_month(plan: str) -> str:
    return f"plan {plan} in the month"
