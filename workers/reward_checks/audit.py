"""I7: sales and rewards equal those recomputed from the orders, less refunds; held are those of held commissions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from contracts.calendar import local_date
from contracts.commissions.view import COMMISSIONS
from contracts.orders.view import LISTS, MAYBE_PAID, ORDERS, seller_list
from contracts.rewards.view import PROGRESS
from contracts.rules.view import DEFAULT_MARKET, RULES
from infra.auditing.audit import Read, Report, lines_of_order, together
from infra.ports.store import Document
from workers.reward_checks.model import SALES_MINOR_MAX, Progress, Sale, progress_key
from workers.reward_checks.repository import SALES, to_progress, to_sale

_CHUNK = 500
_FIELDS = (
    *("paid_at", "reserved", "rule_version", "distributor_id", "placed_at", "currency", "status"),
    *("lines.amount_minor", "lines.discount_minor", "lines.refunded_minor"),
)


@dataclass(slots=True)
class _Months:
    """What the paid orders give for each month, by its key. `last` is the order that was placed last, by its time, and
    its rules, by their beginning and version. `refused` are the orders that a month had no room for, and `paid_minor`
    what it would be worth with them.
    """

    sales_minor: Counter[str] = field(default_factory=Counter)
    held_minor: Counter[str] = field(default_factory=Counter)
    paid_minor: Counter[str] = field(default_factory=Counter)
    refused: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    last: dict[str, tuple[datetime, datetime, int]] = field(default_factory=dict)
    counted: int = 0

    def add(self, order: Document, rules: Document, sale: Sale) -> None:
        self.paid_minor[sale.month] += sale.net_minor
        if sale.too_large:
            self.refused[sale.month].append(order["_id"])
            return
        place = (order["placed_at"], rules["effective_from"], order["rule_version"])
        self.last[sale.month] = max(self.last.get(sale.month, place), place)
        self.sales_minor[sale.month] += sale.worth_minor
        self.held_minor[sale.month] += sale.held_minor
        self.counted += 1


async def audit(read: Read, report: Report) -> None:
    rules = {document["_id"]: document for document in await read.find(RULES, {})}
    concerned = _concerned(report)
    months = _Months()
    async for orders in together(_paid_orders(read, report, concerned), _CHUNK, lines_of=lines_of_order):
        keys = [order["_id"] for order in orders]
        found = {d["_id"]: to_sale(d) for d in await read.find(SALES, {"_id": {"$in": keys}})}
        released = await _released(read, keys)
        due: dict[str, Sale] = {}
        for order in orders:
            key, of_order = order["_id"], rules[order["rule_version"]]
            due[key] = _sale_due(order, of_order["terms"], found.get(key), is_released=key in released)
            months.add(order, of_order, due[key])
        _audit_sales(report, due, found)
    await _audit_never_paid(read, report, months.counted)
    where = {} if concerned is None else {"distributor_id": {"$in": concerned}}
    async for document in read.stream(PROGRESS, where):
        progress = to_progress(document)
        report.add("I7", "months")
        report.add("I7", "rewards", len(progress.granted))
        _audit_month(report, progress, months)
        _audit_rewards(report, progress, months, rules)
        months.sales_minor.pop(progress.key, None)
    for key in months.sales_minor:
        report.breach("I7", f"progress/{key}", "paid orders exist, but no progress was counted")


def _audit_month(report: Report, progress: Progress, months: _Months) -> None:
    """Compare the sums of a month, and the order and rules that it names, with its orders."""
    key, about = progress.key, f"distributor/{progress.distributor_id}"
    actual, due = progress.sales_minor, months.sales_minor[key]
    report.require(actual == due, "I7", about, f"sales of {key} are {actual}, the orders give {due}")
    actual, due = progress.held_minor, months.held_minor[key]
    report.require(actual == due, "I7", about, f"{actual} of the sales of {key} are held, the commissions give {due}")
    placed_at, _, version = months.last.get(key, (None, None, 0))
    report.require(
        key == _key_of(progress) and progress.placed_at == placed_at,
        "I7",
        about,
        f"{progress} does not fit its key, or the order that was placed last, at {placed_at}",
    )
    actual, due = progress.rule_version, version
    report.require(actual == due, "I7", about, f"rules {actual} count for {key}, the orders give {due}")
    for order_key in months.refused[key] if months.paid_minor[key] <= SALES_MINOR_MAX else ():
        report.breach("I7", f"order/{order_key}", f"is not counted, although {key} has room for it")


def _audit_rewards(report: Report, progress: Progress, months: _Months, rules: Mapping[int, Document]) -> None:
    """Recompute which rewards a month's orders reach, which of them wait for held sales, and what each is worth."""
    key, about = progress.key, f"distributor/{progress.distributor_id}"
    _, _, version = months.last.get(key, (None, None, 0))
    targets = rules[version]["terms"]["targets"] if version else []
    reached = _reached(targets, progress.currency, months.sales_minor[key])
    granted, held = list(progress.granted), list(progress.held)
    report.require(granted == reached, "I7", about, f"rewards of {key} are {granted}, due are {reached}")
    free = _reached(targets, progress.currency, months.sales_minor[key] - months.held_minor[key])
    waiting = sorted({*reached} - {*free})
    report.require(held == waiting, "I7", about, f"rewards of {key} that are held are {held}, due are {waiting}")
    worth = {target["reward"]: target["bonus_minor"] for target in targets}
    for reward, minor in progress.amounts_minor.items():
        due = worth.get(reward) if reward in progress.granted else None
        report.require(minor == due, "I7", about, f"{reward} of {key} is worth {minor}, due is {due}")


async def _released(read: Read, keys: Sequence[str]) -> set[str]:
    """The orders whose commissions are released."""
    where = {"_id": {"$in": list(keys)}, "status": "released"}
    return {document["_id"] for document in await read.find(COMMISSIONS, where, fields=("_id",))}


def _reached(targets: Sequence[Document], currency: str, sales_minor: int) -> list[str]:
    """The rewards whose targets these sales reach."""
    return sorted(
        target["reward"]
        for target in targets
        if target["currency"] == currency and sales_minor >= target["target_minor"]
    )


async def _paid_orders(read: Read, report: Report, concerned: Sequence[int] | None) -> AsyncIterator[Document]:
    """Paid orders: of these sellers, and the checked orders themselves; None means all orders."""
    some: list[Mapping[str, Any]] = [{}]
    if concerned is not None:
        some = [{LISTS: {"$in": [*map(seller_list, concerned)]}}, report.among("order", "_id")]
    for where in some:
        async for order in read.stream(ORDERS, {"status": {"$in": list(MAYBE_PAID)}, **where}, fields=_FIELDS):
            is_first = concerned is None or LISTS in where or order["distributor_id"] not in concerned
            if is_first and "paid_at" in order and order["reserved"]:
                yield order


def _audit_sales(report: Report, due: Mapping[str, Sale], found: Mapping[str, Sale]) -> None:
    """Compare what is stored of each order with the order."""
    for key, sale in due.items():
        if (actual := found.get(key)) != sale:
            report.breach("I7", f"order/{key}", f"is counted as {actual}, the order gives {sale}")


async def _audit_never_paid(read: Read, report: Report, paid: int) -> None:
    """Find counted orders that were never paid; among all orders only if more are counted than were paid."""
    where = {"counted": True}
    if report.only is None and sum([1 async for _ in read.stream(SALES, where, fields=("_id",))]) == paid:
        return
    counted = read.stream(SALES, {**where, **report.among("order", "_id")}, fields=("_id",))
    async for documents in together(counted):
        await _audit_counted(read, report, [document["_id"] for document in documents])


async def _audit_counted(read: Read, report: Report, keys: Sequence[str]) -> None:
    among = {"_id": {"$in": list(keys)}, "paid_at": {"$gt": datetime.min.replace(tzinfo=UTC)}, "reserved": True}
    paid = {order["_id"] for order in await read.find(ORDERS, among, fields=("_id",))}
    for key in keys:
        if key not in paid:
            report.breach("I7", f"order/{key}", "is counted, but was never paid")


def _sale_due(order: Document, terms: Document, stored: Sale | None, *, is_released: bool) -> Sale:
    """The sale as it is to be stored. Whether its month had room depends on the order of arrival: that is as stored."""
    placed_on = local_date(order["placed_at"], terms.get("zone", "UTC"))
    sale = _sale_of(order, progress_key(order["distributor_id"], placed_on, order["currency"], terms["market"]))
    if stored is None or stored.released is not None:
        sale = replace(sale, released=is_released)
    return replace(sale, counted=False, too_large=True) if stored is not None and stored.too_large else sale


def _sale_of(order: Document, month: str) -> Sale:
    """The sale of a paid order; a cancelled one was taken back in full."""
    net = sum(line["amount_minor"] - line["discount_minor"] for line in order["lines"])
    back = net if order["status"] == "cancelled" else net - sum(_kept_minor(line) for line in order["lines"])
    return Sale(order["_id"], month, net, counted=True, taken_back_minor=back)


def _key_of(progress: Progress) -> str:
    key = f"{progress.distributor_id}/{progress.month}/{progress.currency}"
    return key if progress.market == DEFAULT_MARKET else f"{key}/{progress.market}"


def _concerned(report: Report) -> list[int] | None:
    """The distributors whose months are checked; a month's key begins with its distributor."""
    distributors, months = report.ids("distributor"), report.ids("progress")
    if distributors is None or months is None:
        return None
    return sorted({int(key.partition("/")[0]) for key in (*distributors, *months)})


def _kept_minor(line: Document) -> int:
    """The line's net, less refunds."""
    net: int = line["amount_minor"] - line["discount_minor"] - line["refunded_minor"]
    return net
