"""I2: each paid order has exactly the entries that its snapshot and rule version give, reduced by exactly what its
refunds take back, and is held and released when it should be. I3: no pool or cap is exceeded, every posting balances,
and ledger, commissions and balances agree in every account.

What was sold and paid in a month is recomputed from the orders alone, and compared with what is stored of the month.
What an order was calculated with depends on which orders accrued before it, which no order records; so those figures
have to fit into a sequence in which all of them can have been read.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from contracts.commissions.calculation import Earner, Outcome, Sale, SaleLine, calculate, needs
from contracts.commissions.earnings import (
    EARNINGS,
    EARNINGS_STRIPES,
    FIGURES,
    Bookings,
    Earnings,
    day_of,
    earnings_id,
    earnings_key,
    months_of,
)
from contracts.commissions.hold import Hold
from contracts.commissions.reversal import pool_taken_back, taken_back
from contracts.commissions.view import (
    BALANCES,
    COMMISSIONS,
    LEDGER,
    Account,
    AccountKey,
    Commission,
    Entry,
    LineRefund,
    balance_of_stripe,
    balances_of,
)
from contracts.rules.view import RULES, Caps, Terms
from infra.runtime.audit import Read, Report
from infra.runtime.journal import PREFIX
from infra.runtime.running_sum import RunningSum
from infra.runtime.store import Document
from workers.commission_calculation.model import earner_ids
from workers.commission_calculation.repository import to_commission, to_posting, to_rules

ORDERS = "order_intake.orders"
OVERDUE_AFTER = timedelta(hours=2)
"""Longer than the clock and its backlog may be late with a release."""

_WORKER = "commission_calculation"
_JOURNAL = PREFIX + _WORKER
_CHUNK, _TICKS = 500, 20
_SALES, _REFUNDED, _ORDERS = "own sales", "refunds of own sales", "orders"
_ON_DAY, _IN_MONTH = "plan {} on day {}".format, "plan {} in the month".format


async def audit(read: Read, report: Report) -> None:
    terms = {document["_id"]: to_rules(document).terms for document in await read.find(RULES, {})}
    await _audit_entries(read, report, terms)
    await _audit_ledger(read, report)


async def _audit_entries(read: Read, report: Report, terms: Mapping[int, Terms]) -> None:
    """Walk orders and commissions side by side, a month after the other, so memory stays bounded."""
    months = _Months(read, report, terms)
    chunk: list[Document] = []
    async for order in read.stream(ORDERS, {}, sort=(("placed_at", 1),)):
        chunk.append(order)
        if len(chunk) == _CHUNK:
            await _audit_chunk(read, report, terms, months, chunk)
            chunk = []
    await _audit_chunk(read, report, terms, months, chunk)
    await months.conclude()
    stored, last_released_at = 0, None
    async for document in read.stream(COMMISSIONS, {}, fields=("released_at",)):
        stored += 1
        last_released_at = max(filter(None, (last_released_at, document.get("released_at"))), default=None)
    report.figure("I3", "commissions", stored)
    known = int(report.figures.get("I2", {}).get("orders_paid", 0))
    report.require(stored == known, "I2", "commissions", f"{stored} commissions are stored for {known} paid orders")
    await _audit_overdue(read, report, last_released_at)


async def _audit_chunk(
    read: Read, report: Report, terms: Mapping[int, Terms], months: _Months, orders: list[Document]
) -> None:
    keys = [order["_id"] for order in orders]
    found = {d["_id"]: to_commission(d) for d in await read.find(COMMISSIONS, {"_id": {"$in": keys}})}
    postings = await read.find(LEDGER, {"key": {"$in": keys}, "kind": "release"}, fields=("key", "posted_at"))
    released = {posting["key"]: posting["posted_at"] for posting in postings}
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
        entries = _audit_accrual(report, about, order, commission, terms[order["rule_version"]])
        await months.book(order, commission, entries)
        _audit_what_is_left(report, about, order, commission)
        is_open, posted_at = order.get("after_sale_open", False), released.get(order["_id"])
        hold = Hold(terms[order["rule_version"]].hold_days, order.get("completed_at"), is_open, posted_at)
        _audit_hold(report, about, hold, commission)


def _audit_accrual(
    report: Report, about: str, order: Document, commission: Commission, terms: Terms
) -> tuple[Entry, ...]:
    """Recompute the order from its own document, and hold every entry and every silence against it."""
    report.add("I2", "entries", len(commission.entries))
    expected = calculate(terms, sale_of(order), commission.earned)
    stored = Outcome(commission.pools_minor, commission.entries, commission.unpaid)
    for name in ("pools_minor", "entries", "unpaid"):
        is_, gives = getattr(stored, name), getattr(expected, name)
        report.require(is_ == gives, "I2", about, f"{name} are {is_}, the rules give {gives}")
    for name, field in (("seller_id", "distributor_id"), ("rule_version",) * 2, ("placed_at",) * 2):
        is_, gives = getattr(commission, name), order[field]
        report.require(is_ == gives, "I2", about, f"its {name} is {is_}, the order has {gives}")
    _audit_caps(report, about, commission, terms)
    total, pool = commission.total_minor, commission.pool_minor
    report.require(pool == sum(commission.pools_minor), "I3", about, f"its pool of {pool} is not that of its lines")
    report.require(total <= pool, "I3", about, f"pays {total} out of a pool of {pool}")
    is_, is_of = commission.market, terms.market
    report.require(is_ == is_of, "I2", about, f"is booked in market {is_}, its rules are of market {is_of}")
    return expected.entries


def _audit_caps(report: Report, about: str, commission: Commission, terms: Terms) -> None:
    """Nobody gets more of a plan than its caps of a day and a month leave after what was paid before."""
    got: Counter[tuple[str, int]] = Counter()
    for entry in commission.entries:
        got[entry.plan, entry.distributor_id] += entry.amount_minor
    plans = {plan.name: plan.caps for plan in terms.plans}
    for (plan, earner), amount in got.items():
        caps, earned = plans.get(plan, Caps()), commission.earned
        for period, limits, sums in (("day", caps.day, earned.day_minor), ("month", caps.month, earned.month_minor)):
            cap, before = limits.get(commission.currency), sums.get(plan, {}).get(earner, 0)
            detail = f"{before} and {amount} of plan {plan} for distributor {earner} exceed its cap of {cap} a {period}"
            report.require(cap is None or before + amount <= cap, "I3", about, detail)


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


def _audit_hold(report: Report, about: str, hold: Hold, commission: Commission) -> None:
    if commission.status == "released":
        report.add("I2", "released")
    for fault in hold.faults(commission):
        report.breach("I2", about, fault)


async def _audit_overdue(read: Read, report: Report, last_released_at: datetime | None) -> None:
    """Find what is still held though it was due long before what the clock has released since.

    Where the clock has not run for a while since the order last changed, its commission is not overdue.
    """
    ticks = {"queue": f"{_WORKER}.clock.ticked"}
    newest = await read.find(_JOURNAL, ticks, sort=(("at", -1),), limit=_TICKS, fields=("at", "handled.outcome"))
    idle = [tick["at"] for tick in newest if {item["outcome"] for item in tick.get("handled", ())} == {"nothing_due"}]
    reached = max([*idle[:1], *filter(None, [last_released_at])], default=None)
    if reached is None or not newest:
        return
    async for document in read.stream(COMMISSIONS, {"release_at": {"$lt": reached - OVERDUE_AFTER}}):
        about = f"order/{document['_id']}"
        known = await read.find(_JOURNAL, {"about": about}, sort=(("_id", -1),), limit=1, fields=("at",))
        if all(record["at"] + OVERDUE_AFTER < newest[0]["at"] for record in known):
            report.breach("I2", about, f"is still held, and was due at {document['release_at']}")


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


async def _audit_ledger(read: Read, report: Report) -> None:
    ledger: Counter[AccountKey] = Counter()
    bookings = Bookings()
    async for document in read.stream(LEDGER, {}):
        posting = to_posting(document)
        report.add("I3", "postings")
        amount = sum(leg.amount_minor for leg in posting.legs)
        report.require(amount == 0, "I3", f"order/{posting.key}", f"posting {posting.posting_id} is off by {amount}")
        ledger.update(balances_of([posting]))
        bookings.post(posting)
    entries: Counter[AccountKey] = Counter()
    async for document in read.stream(COMMISSIONS, {}):
        _book(entries, to_commission(document))
    balances: Counter[AccountKey] = Counter()
    async for document in read.stream(BALANCES, {}):
        balances.update(balance_of_stripe(document))
    async for document in read.stream(EARNINGS, {}, fields=FIGURES):
        bookings.store(document)
    for earner, fault in bookings.faults():
        report.breach("I3", f"distributor/{earner}", fault)
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


class _Months:
    """What the orders say was sold and paid, by distributor and month; of one calendar month at a time, so it has as
    many figures as are stored of that month, however many orders there were.
    """

    def __init__(self, read: Read, report: Report, terms: Mapping[int, Terms]) -> None:
        self._read = read
        self._report = report
        self._terms = terms
        self._asked = {version: needs(known) for version, known in terms.items()}
        self._month = ""
        self._totals: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._sums: defaultdict[tuple[str, str], RunningSum] = defaultdict(RunningSum)
        self._documents = 0

    async def book(self, order: Document, commission: Commission, entries: Iterable[Entry]) -> None:
        """Add an order with the entries that its rules give. Orders come by `placed_at`."""
        placed_at = order["placed_at"]
        if f"{placed_at:%Y-%m}" != self._month:
            await self._conclude_month()
            self._month = f"{placed_at:%Y-%m}"
        terms, asked = self._terms[order["rule_version"]], self._asked[order["rule_version"]]
        sale, seller = sale_of(order), order["distributor_id"]
        keys = {
            earner: earnings_key(earner, placed_at, sale.currency, terms.market)
            for earner in {seller, *earner_ids(sale)}
        }
        own = {seller: sum(line.net_minor for line in sale.lines)}
        self._totals[keys[seller]][_ORDERS] += 1
        self._count(keys, _SALES, own, commission, _gross(commission) if asked.own_sales else None)
        for amount, at in _given_back(order, commission):
            self._totals[keys[seller]][_REFUNDED] += amount
            self._sums[keys[seller], _REFUNDED].add(amount, at)
        if asked.own_sales:
            for earner, key in keys.items():
                refunded = (commission.earned.own_refunded_minor or {}).get(earner, 0)
                self._sums[key, _REFUNDED].read(refunded, commission.accrued_at)
        got: defaultdict[str, Counter[int]] = defaultdict(Counter)
        for entry in entries:
            got[entry.plan][entry.distributor_id] += entry.amount_minor
        for plan in terms.plans:
            day, month = _ON_DAY(plan.name, day_of(placed_at)), _IN_MONTH(plan.name)
            before_day = commission.earned.day_minor.get(plan.name, {}) if plan.name in asked.day else None
            before_month = commission.earned.month_minor.get(plan.name, {}) if plan.name in asked.month else None
            self._count(keys, day, got[plan.name], commission, before_day)
            self._count(keys, month, got[plan.name], commission, before_month)

    def _count(
        self,
        keys: Mapping[int, str],
        figure: str,
        amounts: Mapping[int, int],
        commission: Commission,
        read: Mapping[int, int] | None,
    ) -> None:
        """Add one figure of everyone concerned; `read` is what the order was calculated with, if its rules asked."""
        for earner, amount in amounts.items():
            if amount:
                self._totals[keys[earner]][figure] += amount
        if read is None:
            for earner, amount in amounts.items():
                self._sums[keys[earner], figure].add(amount, commission.accrued_at)
            return
        for earner, key in keys.items():
            self._sums[key, figure].read(read.get(earner, 0), commission.accrued_at, amounts.get(earner, 0))

    async def conclude(self) -> None:
        await self._conclude_month()
        stored = sum([_has_figures(document) async for document in self._read.stream(EARNINGS, {})])
        detail = f"{stored} documents are stored, {self._documents} of them are of months that paid orders have"
        self._report.require(stored == self._documents, "I3", "earnings", detail)

    async def _conclude_month(self) -> None:
        keys = sorted({*self._totals, *(key for key, _ in self._sums)})
        for start in range(0, len(keys), _CHUNK):
            some = keys[start : start + _CHUNK]
            ids = [earnings_id(key, stripe) for key in some for stripe in range(EARNINGS_STRIPES)]
            found = await self._read.find(EARNINGS, {"_id": {"$in": ids}})
            self._documents += sum(map(_has_figures, found))
            months = months_of(found)
            for key in some:
                stored, orders = _figures(months.get(key, Earnings())), self._totals.get(key, Counter())
                for figure in sorted(stored.keys() | orders.keys()):
                    detail = f"{figure}: {stored[figure]} is stored, the orders give {orders[figure]}"
                    self._report.require(stored[figure] == orders[figure], "I3", f"earnings/{key}", detail)
        for (key, figure), sum_ in self._sums.items():
            for fault in sum_.faults():
                self._report.breach("I3", f"earnings/{key}", f"{figure}: {fault}")
        self._totals.clear()
        self._sums.clear()


def _has_figures(document: Document) -> bool:
    """Whether a document counts orders of its month; what was rebuilt leaves empty ones."""
    return not document.keys() <= {"_id", "booked_minor"}


def _figures(month: Earnings) -> Counter[str]:
    """The figures of a stored month by their name in breaches."""
    figures = Counter({_SALES: month.own_sales_minor, _REFUNDED: month.own_refunded_minor, _ORDERS: month.orders})
    figures.update({_ON_DAY(plan, day): amount for (day, plan), amount in month.day_minor.items()})
    figures.update({_IN_MONTH(plan): amount for plan, amount in month.month_minor.items()})
    return figures


def _gross(commission: Commission) -> Mapping[int, int]:
    """The own sales that an order was calculated with, and what had been refunded of them."""
    return Counter(commission.earned.own_sales_minor) + Counter(commission.earned.own_refunded_minor or {})


def _given_back(order: Document, commission: Commission) -> Iterator[tuple[int, datetime | None]]:
    """What was given back of an order, and when the month counted it, if the order says when.

    Where the commission does not have it yet, or has it wrong, that is a breach of its own; what it has counts here.
    """
    left = sum(line.refunded_minor for line in commission.lines)
    if commission.lines == refunds_of(order):
        for refund in order.get("refunds", ()):
            amount = sum(part["amount_minor"] for part in refund["lines"])
            left -= amount
            yield amount, max(refund["at"], commission.accrued_at)
    ended = commission.reversals[-1] if commission.reversals and order["status"] == "cancelled" else None
    if left:
        yield left, max(ended.at, commission.accrued_at) if ended else None
