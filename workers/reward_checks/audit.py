"""I7: sales and rewards equal those recomputed from the orders, less refunds; held are those of held commissions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
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


async def audit(read: Read, report: Report) -> None:
    rules = {document["_id"]: document for document in await read.find(RULES, {})}
    sales: Counter[str] = Counter()
    held: Counter[str] = Counter()
    paid: Counter[str] = Counter()
    refused: defaultdict[str, list[str]] = defaultdict(list)
    last: dict[str, tuple[datetime, datetime, int]] = {}
    counted = 0
    concerned = _concerned(report)
    async for orders in together(_paid_orders(read, report, concerned), _CHUNK, lines_of=lines_of_order):
        due: dict[str, Sale] = {}
        keys = [order["_id"] for order in orders]
        found = {d["_id"]: to_sale(d) for d in await read.find(SALES, {"_id": {"$in": keys}})}
        released = await _released(read, keys)
        for order in orders:
            version = order["rule_version"]
            terms = rules[version]["terms"]
            placed_on = local_date(order["placed_at"], terms.get("zone", "UTC"))
            key = progress_key(order["distributor_id"], placed_on, order["currency"], terms["market"])
            sale = due[order["_id"]] = _sale_of(order, key)
            paid[key] += sale.net_minor
            stored = found.get(order["_id"])
            if stored is None or stored.released is not None:
                sale = due[order["_id"]] = replace(sale, released=order["_id"] in released)
            if stored is not None and stored.too_large:
                due[order["_id"]] = replace(sale, counted=False, too_large=True)
                refused[key].append(order["_id"])
                continue
            place = (order["placed_at"], rules[version]["effective_from"], version)
            last[key] = max(last.get(key, place), place)
            sales[key] += sale.worth_minor
            held[key] += sale.held_minor
            counted += 1
        _audit_sales(report, due, found)
    await _audit_never_paid(read, report, counted)
    months = {} if concerned is None else {"distributor_id": {"$in": concerned}}
    async for document in read.stream(PROGRESS, months):
        progress = to_progress(document)
        about = f"distributor/{progress.distributor_id}"
        report.add("I7", "months")
        report.add("I7", "rewards", len(progress.granted))
        expected = sales.pop(progress.key, 0)
        report.require(
            progress.sales_minor == expected,
            "I7",
            about,
            f"sales of {progress.key} are {progress.sales_minor}, the orders give {expected}",
        )
        held_minor = held[progress.key]
        report.require(
            progress.held_minor == held_minor,
            "I7",
            about,
            f"{progress.held_minor} of the sales of {progress.key} are held, the commissions give {held_minor}",
        )
        placed_at, _, version = last.get(progress.key, (None, None, 0))
        report.require(
            progress.key == _key_of(progress) and progress.placed_at == placed_at,
            "I7",
            about,
            f"{progress} does not fit its key, or the order that was placed last, at {placed_at}",
        )
        actual = progress.rule_version
        report.require(
            actual == version, "I7", about, f"rules {actual} count for {progress.key}, the orders give {version}"
        )
        targets = rules[version]["terms"]["targets"] if version else []
        reached = _reached(targets, progress.currency, expected)
        granted = list(progress.granted)
        report.require(granted == reached, "I7", about, f"rewards of {progress.key} are {granted}, due are {reached}")
        waiting = sorted({*reached} - {*_reached(targets, progress.currency, expected - held_minor)})
        report.require(
            list(progress.held) == waiting,
            "I7",
            about,
            f"rewards of {progress.key} that are held are {list(progress.held)}, due are {waiting}",
        )
        worth = {target["reward"]: target["bonus_minor"] for target in targets}
        for reward, minor in progress.amounts_minor.items():
            due_minor = worth.get(reward) if reward in progress.granted else None
            report.require(
                minor == due_minor, "I7", about, f"{reward} of {progress.key} is worth {minor}, due is {due_minor}"
            )
        for order_key in refused[progress.key] if paid[progress.key] <= SALES_MINOR_MAX else ():
            report.breach("I7", f"order/{order_key}", f"is not counted, although {progress.key} has room for it")
    for key in sales:
        report.breach("I7", f"progress/{key}", "paid orders exist, but no progress was counted")


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
