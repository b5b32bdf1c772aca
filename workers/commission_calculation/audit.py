"""I2: each paid order has exactly the entries that its snapshot, its rule version and the figures recorded with it
give, reduced by exactly what its refunds take back. I3: nobody is paid beyond a pool or a cap, every posting balances,
and ledger, commissions and balances agree in every account.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from contracts.commissions.calculation import Earner, Needs, Outcome, Sale, SaleLine, calculate, needs
from contracts.commissions.reversal import pool_taken_back, taken_back
from contracts.commissions.view import (
    BALANCES,
    COMMISSIONS,
    LEDGER,
    Account,
    AccountKey,
    Commission,
    LineRefund,
    balance_of_stripe,
    balances_of,
)
from contracts.rules.view import RULES, Terms
from infra.runtime.audit import Read, Report
from infra.runtime.store import Document
from workers.commission_calculation.model import day_of, earnings_key
from workers.commission_calculation.repository import EARNINGS, to_commission, to_earnings, to_posting, to_rules

ORDERS = "order_intake.orders"
_CHUNK = 500

MonthKey = tuple[str, str, str]
"""Earnings key, plan, and day of the month or nothing for the whole month."""


async def audit(read: Read, report: Report) -> None:
    terms = {document["_id"]: to_rules(document).terms for document in await read.find(RULES, {})}
    await _audit_entries(read, report, terms)
    await _audit_ledger(read, report, terms)


async def _audit_entries(read: Read, report: Report, terms: Mapping[int, Terms]) -> None:
    """Walk orders and commissions side by side, so memory stays bounded."""
    chunk: list[Document] = []
    async for order in read.stream(ORDERS, {}, sort=(("_id", 1),)):
        chunk.append(order)
        if len(chunk) == _CHUNK:
            await _audit_chunk(read, report, terms, chunk)
            chunk = []
    await _audit_chunk(read, report, terms, chunk)
    stored = sum([1 async for _ in read.stream(COMMISSIONS, {}, fields=("_id",))])
    report.figure("I3", "commissions", stored)
    known = int(report.figures.get("I2", {}).get("orders_paid", 0))
    report.require(stored == known, "I2", "commissions", f"{stored} commissions are stored for {known} paid orders")


async def _audit_chunk(read: Read, report: Report, terms: Mapping[int, Terms], orders: list[Document]) -> None:
    keys = [order["_id"] for order in orders]
    found = {d["_id"]: to_commission(d) for d in await read.find(COMMISSIONS, {"_id": {"$in": keys}})}
    for order in orders:
        about = f"order/{order['_id']}"
        commission = found.get(order["_id"])
        if "paid_at" not in order or not order["reserved"]:
            report.require(commission is None, "I2", about, f"{order['status']} and never paid, but has commissions")
            continue
        report.add("I2", "orders_paid")
        if commission is None:
            report.breach("I2", about, "is paid, but has no commissions")
            continue
        _audit_accrual(report, about, order, commission, terms[order["rule_version"]])
        _audit_what_is_left(report, about, order, commission)
        _audit_release(report, about, order, commission)


def _audit_accrual(report: Report, about: str, order: Document, commission: Commission, terms: Terms) -> None:
    """Recompute the order from its own document, and hold every entry and every silence against it."""
    report.add("I2", "entries", len(commission.entries))
    expected = calculate(terms, sale_of(order), commission.earned)
    stored = Outcome(commission.pools_minor, commission.entries, commission.unpaid)
    for name in ("pools_minor", "entries", "unpaid"):
        is_, gives = getattr(stored, name), getattr(expected, name)
        report.require(is_ == gives, "I2", about, f"{name} are {is_}, the rules give {gives}")
    total, pool = commission.total_minor, commission.pool_minor
    report.require(pool == sum(commission.pools_minor), "I3", about, f"its pool of {pool} is not that of its lines")
    report.require(total <= pool, "I3", about, f"pays {total} out of a pool of {pool}")


def _audit_what_is_left(report: Report, about: str, order: Document, commission: Commission) -> None:
    """Recompute from the refunded sums of the order what each entry is still worth."""
    refunds = refunds_of(order)
    report.require(commission.lines == refunds, "I2", about, f"refunds are {commission.lines}, the order has {refunds}")
    expected = [entry.amount_minor for entry in commission.entries]
    for line in refunds:
        places = [place for place, entry in enumerate(commission.entries) if entry.line == line.line]
        taken = taken_back([commission.entries[place] for place in places], line)
        for place, amount in zip(places, taken, strict=True):
            expected[place] -= amount
    left = commission.remaining_minor()
    if commission.reversals:
        report.add("I2", "reversals", len(commission.reversals))
    report.require(left == tuple(expected), "I2", about, f"entries are worth {left}, the refunds leave {expected}")


def _audit_release(report: Report, about: str, order: Document, commission: Commission) -> None:
    completed_at = order.get("completed_at")
    is_noted = commission.completed_at == completed_at
    report.require(is_noted, "I2", about, f"was completed at {completed_at}, commissions: {commission.completed_at}")
    if commission.status == "released":
        report.add("I2", "released")
        begun, ended, hold = commission.completed_at, commission.released_at, timedelta(days=commission.hold_days)
        was_due = begun is not None and ended is not None and begun + hold <= ended
        report.require(was_due, "I2", about, f"was released before its hold of {commission.hold_days} days was over")


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


def refunds_of(order: Document) -> tuple[LineRefund, ...]:
    """How much of each line went back: all of it where the order was cancelled."""
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
        for line, stored in zip(sale_of(order).lines, order["lines"], strict=True)
    )


async def _audit_ledger(read: Read, report: Report, terms: Mapping[int, Terms]) -> None:
    ledger: Counter[AccountKey] = Counter()
    async for document in read.stream(LEDGER, {}):
        posting = to_posting(document)
        report.add("I3", "postings")
        amount = sum(leg.amount_minor for leg in posting.legs)
        report.require(amount == 0, "I3", f"order/{posting.key}", f"posting {posting.posting_id} is off by {amount}")
        ledger.update(balances_of([posting]))
    entries: Counter[AccountKey] = Counter()
    earned = _Earned(terms)
    async for document in read.stream(COMMISSIONS, {}):
        commission = to_commission(document)
        _book(entries, commission)
        earned.book(report, commission)
    balances: Counter[AccountKey] = Counter()
    async for document in read.stream(BALANCES, {}):
        balances.update(balance_of_stripe(document))
    for account in sorted(ledger.keys() | entries.keys() | balances.keys()):
        sums = {"ledger": ledger[account], "entries": entries[account], "balance": balances[account]}
        distributor_id, currency, name = account
        detail = f"{name} sums in {currency} differ: {sums}"
        about = f"distributor/{distributor_id}" if distributor_id else "platform"
        report.require(len(set(sums.values())) == 1, "I3", about, detail)
    report.figure("I3", "accounts", len(balances))
    for (_, currency, name), amount in sorted(ledger.items()):
        if name == "available" and amount < 0:
            report.add("I3", "accounts_negative")
        if name in ("pool", "breakage"):
            report.figure("I3", f"{name}_minor_{currency}", amount)
    async for document in read.stream(EARNINGS, {}):
        earned.hold_against(report, document)
    earned.conclude(report)


def _book(accounts: Counter[AccountKey], commission: Commission) -> None:
    """What the accounts come to by a commission alone: its entries, and its pool, as far as they are left."""
    account: Account = "held" if commission.status == "held" else "available"
    left = commission.remaining_minor()
    for entry, amount in zip(commission.entries, left, strict=True):
        accounts[entry.distributor_id, commission.currency, account] += amount
    pool = sum(
        pool_minor - pool_taken_back(pool_minor, line)
        for pool_minor, line in zip(commission.pools_minor, commission.lines, strict=True)
    )
    accounts[0, commission.currency, "pool"] -= pool
    accounts[0, commission.currency, "breakage"] += pool - sum(left)


class _Earned:
    """What the commissions say that was sold and earned by month and day, as far as their rules ask.

    It has as many figures as `EARNINGS` has, which is bounded by the distributors and not by the orders.
    """

    def __init__(self, terms: Mapping[int, Terms]) -> None:
        self._terms = terms
        self._asked: dict[int, Needs] = {version: needs(known) for version, known in terms.items()}
        self._sales: Counter[str] = Counter()
        self._sums: Counter[MonthKey] = Counter()
        self._caps: dict[MonthKey, int | None] = {}

    def book(self, report: Report, commission: Commission) -> None:
        asked = self._asked[commission.rule_version]
        at, currency = commission.placed_at, commission.currency
        if asked.own_sales:
            net_minor = sum(line.net_minor for line in commission.lines)
            self._sales[earnings_key(commission.seller_id, at, currency)] += net_minor
        got: Counter[tuple[str, int]] = Counter()
        for entry in commission.entries:
            got[entry.plan, entry.distributor_id] += entry.amount_minor
        caps = {plan.name: plan.caps for plan in self._terms[commission.rule_version].plans}
        for (plan, earner), amount in got.items():
            month = earnings_key(earner, at, currency)
            if plan in asked.day:
                self._count(
                    report,
                    (month, plan, day_of(at)),
                    commission.earned.day_minor[plan].get(earner, 0),
                    amount,
                    caps[plan].day.get(currency),
                )
            if plan in asked.month:
                before = commission.earned.month_minor[plan].get(earner, 0)
                self._count(report, (month, plan, ""), before, amount, caps[plan].month.get(currency))

    def _count(self, report: Report, where: MonthKey, before: int, amount: int, cap: int | None) -> None:
        self._sums[where] += amount
        known = self._caps.setdefault(where, cap)
        self._caps[where] = None if known is None or cap is None else max(known, cap)
        holds = cap is None or before + amount <= cap
        report.require(holds, "I3", f"earnings/{where[0]}", f"{before} and {amount} of {where} exceed its cap of {cap}")

    def hold_against(self, report: Report, document: Document) -> None:
        """Compare what is stored of a distributor's month, and forget it."""
        stored = to_earnings(document)
        about = f"earnings/{stored.key}"
        sales = self._sales.pop(stored.key, 0)
        detail = f"own sales are {stored.own_sales_minor}, the commissions have {sales}"
        report.require(stored.own_sales_minor == sales, "I3", about, detail)
        figures = {(plan, ""): amount for plan, amount in stored.month_minor.items()}
        figures |= {(plan, day): amount for day, plans in stored.day_minor.items() for plan, amount in plans.items()}
        for (plan, day), amount in figures.items():
            counted = self._sums.pop((stored.key, plan, day), 0)
            cap = self._caps.get((stored.key, plan, day))
            detail = f"plan {plan} has {amount} in {day or 'the month'}, the commissions have {counted}"
            report.require(amount == counted, "I3", about, detail)
            report.require(cap is None or counted <= cap, "I3", about, f"plan {plan} gave {counted}, its cap is {cap}")

    def conclude(self, report: Report) -> None:
        for key in {*+self._sales, *(where[0] for where in self._sums)}:
            report.breach("I3", f"earnings/{key}", "commissions of the month exist, but nothing was counted")
