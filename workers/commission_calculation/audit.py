"""I2: each paid order has exactly the entries that its snapshot and rule version give, reduced by exactly what its
refunds take back, and is held and released when it should be. I3: no pool or cap is exceeded.

A month's sales and payments are recomputed from the orders alone, and compared with the stored month. The figures that
an order was calculated with depend on which orders accrued before it, which is not recorded; so there must be a
sequence in which all of them can have been read.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

from contracts.calendar import days_near, local_date
from contracts.commissions.earnings import (
    EARNINGS,
    EARNINGS_STRIPES,
    Earnings,
    day_of,
    earnings_id,
    earnings_key,
    key_of,
    month_of,
    months_of,
)
from contracts.commissions.hold import Hold
from contracts.commissions.view import (
    COMMISSIONS,
    LEDGER,
    Commission,
    Entry,
    LineRefund,
)
from contracts.orders.view import LISTS, ORDERS, downline_list
from contracts.plans import recomputed
from contracts.plans.calculation import Outcome, Sale, calculate, needs
from contracts.plans.reversal import left_of
from contracts.rules.view import RULES, Terms
from contracts.times import plus
from infra.auditing.audit import Read, Report, lines_of_order, together
from infra.auditing.running_sum import RunningSum
from infra.ports.store import JOURNALS, Document
from workers.commission_calculation.model import earner_ids
from workers.commission_calculation.repository import to_commission, to_rules

OVERDUE_AFTER = timedelta(hours=2)
"""Longer than any delay of a release by the clock and its backlog."""

_WORKER = "commission_calculation"
_JOURNAL = JOURNALS + _WORKER
_CHUNK, _TICKS = 500, 20
_COPIED = (("seller_id", "distributor_id"), ("rule_version", "rule_version"), ("placed_at", "placed_at"))
"""Fields of a commission, and the order's fields that they are copied from."""


async def audit_orders(read: Read, report: Report) -> None:
    """Walk orders and commissions side by side, month by month, so memory stays bounded.

    A repeated check walks the suspicious orders, and then, for the sums only, all orders of the suspicious months.
    """
    terms = {document["_id"]: to_rules(document).terms for document in await read.find(RULES, {})}
    months = _Months(read, report, terms)
    if report.only is None:
        orders = read.stream(ORDERS, {}, sort=(("placed_at", 1),))
        paid = await _audit_orders(read, report, terms, months, orders)
        await months.conclude()
        await _audit_overdue(read, report, await _audit_number(read, report, paid))
        return
    await _audit_orders(read, report, terms, None, read.stream(ORDERS, report.among("order", "_id")))
    await _audit_without_order(read, report, report.ids("order") or ())
    found = report.ids("earnings") or []
    await _audit_orders(read, Report(report.now, only={}), terms, months, _orders_of(read, terms, found))
    await months.conclude_months()
    await months.audit_without_orders(found)
    if report.ids("order"):
        newest = {"released_at": {"$gt": datetime.min.replace(tzinfo=UTC)}}
        released = await read.find(COMMISSIONS, newest, sort=(("released_at", -1),), limit=1, fields=("released_at",))
        await _audit_overdue(read, report, released[0]["released_at"] if released else None)


async def _orders_of(read: Read, terms: Mapping[int, Terms], keys: Iterable[str]) -> AsyncIterator[Document]:
    """The orders of these months, by calendar month: those that the distributor sold, was an upline of, or led the
    seller's team of. Months of other zones begin and end less than a day from those of UTC.
    """
    earners: defaultdict[str, set[int]] = defaultdict(set)
    for key in keys:
        distributor_id, month, *_ = key.split("/")
        earners[month].add(int(distributor_id))
    for month, ids in sorted(earners.items()):
        first = datetime(*map(int, month.split("-")), 1, tzinfo=UTC)  # type: ignore[misc, arg-type]
        began = datetime.combine(days_near(first)[0], time(), UTC)
        period = {"placed_at": {"$gte": began, "$lte": plus(began, timedelta(days=33))}}
        lists = {downline_list(distributor_id) for distributor_id in ids}
        for where in ({LISTS: {"$in": sorted(lists)}}, {"team.leader_id": {"$in": sorted(ids)}}):
            async for order in read.stream(ORDERS, {**period, **where}, sort=(("placed_at", 1),)):
                is_first = LISTS in where or lists.isdisjoint(order[LISTS])
                if is_first and month_of(_day_of(order, terms)) == month:
                    yield order


async def _audit_orders(
    read: Read, report: Report, terms: Mapping[int, Terms], months: _Months | None, orders: AsyncIterator[Document]
) -> int:
    """The number of paid orders that have commissions."""
    chunks = together(orders, _CHUNK, lines_of=lines_of_order)
    return sum([await _audit_chunk(read, report, terms, months, chunk) async for chunk in chunks])


async def _audit_number(read: Read, report: Report, paid: int) -> datetime | None:
    """Find commissions without an order, if there are more than paid orders; return the time of the last release."""
    stored, last_released_at = 0, None
    async for document in read.stream(COMMISSIONS, {}, fields=("released_at",)):
        stored += 1
        last_released_at = max(filter(None, (last_released_at, document.get("released_at"))), default=None)
    report.figure("I3", "commissions", stored)
    if stored != paid:
        async for documents in together(read.stream(COMMISSIONS, {}, fields=("_id",))):
            await _audit_without_order(read, report, [document["_id"] for document in documents])
    return last_released_at


async def _audit_without_order(read: Read, report: Report, keys: Sequence[str]) -> None:
    """Report the keys that have commissions but no order."""
    among = {"_id": {"$in": list(keys)}}
    orders = {document["_id"] for document in await read.find(ORDERS, among, fields=("_id",))} if keys else set()
    without = [key for key in keys if key not in orders]
    among = {"_id": {"$in": without}}
    for document in await read.find(COMMISSIONS, among, fields=("_id",)) if without else ():
        report.breach("I2", f"order/{document['_id']}", "has commissions, but there is no such order")


async def _audit_chunk(
    read: Read, report: Report, terms: Mapping[int, Terms], months: _Months | None, orders: list[Document]
) -> int:
    keys = [order["_id"] for order in orders]
    found = {d["_id"]: to_commission(d) for d in await read.find(COMMISSIONS, {"_id": {"$in": keys}})}
    ended = [key for key, commission in found.items() if commission.status == "released"]
    releases = {"key": {"$in": ended}, "kind": "release"}
    postings = await read.find(LEDGER, releases, fields=("key", "posted_at")) if ended else ()
    released = {posting["key"]: posting["posted_at"] for posting in postings}
    paid = 0
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
        paid += 1
        for name, field in _COPIED:
            actual, due = getattr(commission, name), order[field]
            if actual != due:
                report.breach("I2", about, f"its {name} is {actual}, the order has {due}")
        sale = recomputed.sale_of(order)
        entries = _audit_accrual(report, about, sale, commission, terms[order["rule_version"]])
        if months is not None:
            await months.book(order, sale, commission, entries)
        _audit_what_is_left(report, about, recomputed.refunds_of(order, sale), commission)
        is_open, posted_at = order.get("after_sale_open", False), released.get(order["_id"])
        hold = Hold(terms[order["rule_version"]].hold_days, order.get("completed_at"), is_open, posted_at)
        if commission.status == "released":
            report.add("I2", "released")
        for fault in hold.faults(commission):
            report.breach("I2", about, fault)
    return paid


def _audit_accrual(report: Report, about: str, sale: Sale, commission: Commission, terms: Terms) -> tuple[Entry, ...]:
    """Recompute the order from its own document, by its own arithmetic, and compare every entry and unpaid upline."""
    report.add("I2", "entries", len(commission.entries))
    expected = calculate(terms, sale, commission.earned, commission.arithmetic)
    stored = Outcome(commission.pools_minor, commission.entries, commission.unpaid)
    for name in ("pools_minor", "entries", "unpaid"):
        actual, due = getattr(stored, name), getattr(expected, name)
        if actual != due:
            report.breach("I2", about, f"{name} are {actual}, the rules give {due}")
    for fault in recomputed.beyond_caps(commission, terms):
        report.breach("I3", about, fault)
    total, pool = commission.total_minor, commission.pool_minor
    report.require(pool == sum(commission.pools_minor), "I3", about, f"its pool of {pool} is not that of its lines")
    report.require(total <= pool, "I3", about, f"pays {total} out of a pool of {pool}")
    actual, due = commission.market, terms.market
    report.require(actual == due, "I2", about, f"is booked in market {actual}, its rules are of market {due}")
    return expected.entries


def _audit_what_is_left(report: Report, about: str, refunds: tuple[LineRefund, ...], commission: Commission) -> None:
    """Compare what each entry is still worth with what the order's refunded sums leave. `left_of` is what the worker
    used; only `beyond_pools` is a second look, by other arithmetic.
    """
    if commission.lines != refunds:
        report.breach("I2", about, f"refunds are {commission.lines}, the order has {refunds}")
    if commission.reversals:
        report.add("I2", "reversals", len(commission.reversals))
    actual = commission.remaining_minor()
    due = left_of(commission.entries, commission.pools_minor, refunds, commission.arithmetic)
    report.require(actual == due, "I2", about, f"entries are worth {actual}, the refunds leave {due}")
    for fault in recomputed.beyond_pools(commission):
        report.breach("I3", about, fault)


async def _audit_overdue(read: Read, report: Report, last_released_at: datetime | None) -> None:
    """Find commissions that are still held long after the clock has passed their release time.

    If the clock has not run since the order last changed, its commission is not overdue.
    """
    ticks = {"queue": f"{_WORKER}.clock.ticked"}
    newest = await read.find(_JOURNAL, ticks, sort=(("at", -1),), limit=_TICKS, fields=("at", "handled.outcome"))
    idle = [tick["at"] for tick in newest if {item["outcome"] for item in tick.get("handled", ())} == {"nothing_due"}]
    reached = max([*idle[:1], *filter(None, [last_released_at])], default=None)
    if reached is None or not newest:
        return
    due = {"release_at": {"$lt": reached - OVERDUE_AFTER}, **report.among("order", "_id")}
    async for documents in together(read.stream(COMMISSIONS, due, fields=("release_at",)), _CHUNK):
        late = {f"order/{document['_id']}": document["release_at"] for document in documents}
        await _audit_late(read, report, late, newest[0]["at"])


async def _audit_late(read: Read, report: Report, late: Mapping[str, datetime], ticked_at: datetime) -> None:
    touched: dict[str, datetime] = {}
    where = {"about": {"$in": list(late)}}
    for record in await read.find(_JOURNAL, where, fields=("at", "about")):
        touched.update({about: max(record["at"], touched.get(about, record["at"])) for about in record["about"]})
    for about, release_at in late.items():
        if about not in touched or touched[about] + OVERDUE_AFTER < ticked_at:
            report.breach("I2", about, f"is still held, and was due at {release_at}")


def _day_of(order: Document, terms: Mapping[int, Terms]) -> date:
    """The order's day in the zone of its rules."""
    known = terms.get(order["rule_version"])
    return local_date(order["placed_at"], known.zone if known else "UTC")


class _Months:
    """Sales and payments by distributor and month, from the orders. It holds one calendar month at a time, and for a
    day the one before, so memory depends on those months' figures only, not on the number of orders.
    """

    def __init__(self, read: Read, report: Report, terms: Mapping[int, Terms]) -> None:
        self._read = read
        self._report = report
        self._terms = terms
        self._needs = {version: needs(known) for version, known in terms.items()}
        self._is_read = any(need.anything for need in self._needs.values())
        self._month = ""
        self._totals: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._sums: defaultdict[tuple[str, str], RunningSum] = defaultdict(RunningSum)
        self._known: set[int] = set()
        """Hashes of the months that have orders: about seventy bytes each."""

    async def book(self, order: Document, sale: Sale, commission: Commission, entries: Iterable[Entry]) -> None:
        """Add an order with the entries that its rules give. Orders arrive by `placed_at`."""
        # Until a day after its end in UTC, a month may still get orders from zones in the west.
        month_before = month_of(days_near(order["placed_at"])[0])
        if month_before != self._month:
            await self.conclude_months(month_before)
            self._month = month_before
        terms, needed = self._terms[order["rule_version"]], self._needs[order["rule_version"]]
        seller, placed_on = order["distributor_id"], _day_of(order, self._terms)
        keys = {
            earner: earnings_key(earner, placed_on, sale.currency, terms.market)
            for earner in {seller, *earner_ids(sale)}
        }
        own = {seller: sum(line.net_minor for line in sale.lines)}
        self._totals[keys[seller]][recomputed.ORDERS] += 1
        self._count(
            keys, recomputed.SALES, own, commission, recomputed.gross_sales(commission) if needed.own_sales else None
        )
        for amount, at in recomputed.given_back(order, sale, commission):
            self._totals[keys[seller]][recomputed.REFUNDED] += amount
            if self._is_read:
                self._sums[keys[seller], recomputed.REFUNDED].add(amount, at)
        if needed.own_sales:
            for earner, key in keys.items():
                refunded = (commission.earned.own_refunded_minor or {}).get(earner, 0)
                self._sums[key, recomputed.REFUNDED].read(refunded, commission.accrued_at)
        got: defaultdict[str, Counter[int]] = defaultdict(Counter)
        for entry in entries:
            got[entry.plan][entry.distributor_id] += entry.amount_minor
        for plan in terms.plans:
            day, month = recomputed.on_day(plan.name, day_of(placed_on)), recomputed.in_month(plan.name)
            before_day = commission.earned.day_minor.get(plan.name, {}) if plan.name in needed.day else None
            before_month = commission.earned.month_minor.get(plan.name, {}) if plan.name in needed.month else None
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
        """Add one figure of each distributor; `read` has those that the order was calculated with, if any."""
        for earner, amount in amounts.items():
            if amount:
                self._totals[keys[earner]][figure] += amount
        if read is None:
            for earner, amount in amounts.items() if self._is_read else ():
                self._sums[keys[earner], figure].add(amount, commission.accrued_at)
            return
        for earner, key in keys.items():
            self._sums[key, figure].read(read.get(earner, 0), commission.accrued_at, amounts.get(earner, 0))

    async def conclude(self) -> None:
        """Find stored months without a paid order; called after all orders were added."""
        await self.conclude_months()
        unknown = (
            key
            async for document in self._read.stream(EARNINGS, {})
            if hash(key := key_of(document)) not in self._known and _has_figures(document)
        )
        async for keys in together(unknown):
            await self.audit_without_orders(dict.fromkeys(keys))

    async def audit_without_orders(self, keys: Iterable[str]) -> None:
        """Check that the months without an added order have no figures."""
        await self._audit_stored([key for key in keys if hash(key) not in self._known])

    async def conclude_months(self, before: str = "") -> None:
        """Compare the months before this one, or all, with what is stored, and forget them."""
        found = {*self._totals, *(key for key, _ in self._sums)}
        keys = sorted(key for key in found if not before or key.split("/")[1] < before)
        self._known.update(map(hash, keys))
        for start in range(0, len(keys), _CHUNK):
            await self._audit_stored(keys[start : start + _CHUNK])
        concluded = set(keys)
        for key, figure in [of for of in self._sums if of[0] in concluded]:
            for fault in self._sums.pop((key, figure)).faults():
                self._report.breach("I3", f"earnings/{key}", f"{figure}: {fault}")
        for key in keys:
            self._totals.pop(key, None)

    async def _audit_stored(self, keys: Sequence[str]) -> None:
        """Compare these stored months with the added orders."""
        ids = [earnings_id(key, stripe) for key in keys for stripe in range(EARNINGS_STRIPES)]
        months = months_of(await self._read.find(EARNINGS, {"_id": {"$in": ids}})) if ids else {}
        for key in keys:
            stored, orders = recomputed.figures_of(months.get(key, Earnings())), self._totals.get(key, Counter())
            for figure in sorted(stored.keys() | orders.keys()):
                detail = f"{figure}: {stored[figure]} is stored, the orders give {orders[figure]}"
                self._report.require(stored[figure] == orders[figure], "I3", f"earnings/{key}", detail)


def _has_figures(document: Document) -> bool:
    """Whether a document has figures; a rebuild leaves empty ones."""
    return not document.keys() <= {"_id", "booked_minor"}
