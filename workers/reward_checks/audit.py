"""I7: sales and rewards are what the orders give, less what was refunded of them, recomputed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from contracts.orders.view import MAYBE_PAID
from contracts.rules.view import DEFAULT_MARKET, RULES
from infra.runtime.audit import Read, Report
from infra.runtime.store import Document
from workers.reward_checks.model import Progress, Sale, progress_key
from workers.reward_checks.repository import PROGRESS, SALES, to_progress, to_sale

ORDERS = "order_intake.orders"
_CHUNK = 500


async def audit(read: Read, report: Report) -> None:
    rules = {document["_id"]: document for document in await read.find(RULES, {})}
    sales: Counter[str] = Counter()
    last: dict[str, tuple[datetime, datetime, int]] = {}
    due: dict[str, Sale] = {}
    counted = 0
    async for order in read.stream(ORDERS, {"status": {"$in": list(MAYBE_PAID)}}):
        if "paid_at" not in order or not order["reserved"]:
            continue
        version = order["rule_version"]
        market = rules[version]["terms"]["market"]
        key = progress_key(order["distributor_id"], order["placed_at"], order["currency"], market)
        place = (order["placed_at"], rules[version]["effective_from"], version)
        last[key] = max(last.get(key, place), place)
        if order["status"] != "cancelled":
            sales[key] += sum(_kept_minor(line) for line in order["lines"])
        due[order["_id"]] = _sale_of(order, key)
        counted += 1
        if len(due) == _CHUNK:
            await _audit_sales(read, report, due)
            due = {}
    await _audit_sales(read, report, due)
    stored = [1 async for _ in read.stream(SALES, {"counted": True}, fields=("_id",))]
    report.require(len(stored) == counted, "I7", "sales", f"{len(stored)} orders are counted, {counted} were paid")
    async for document in read.stream(PROGRESS, {}):
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
        placed_at, _, version = last.get(progress.key, (None, None, 0))
        report.require(
            progress.key == _key_of(progress) and progress.placed_at == placed_at,
            "I7",
            about,
            f"{progress} does not fit its key, and the order that was placed last, at {placed_at}",
        )
        is_ = progress.rule_version
        report.require(is_ == version, "I7", about, f"rules {is_} count for {progress.key}, the orders give {version}")
        targets = rules[version]["terms"]["targets"] if version else []
        reached = sorted(
            target["reward"]
            for target in targets
            if target["currency"] == progress.currency and expected >= target["target_minor"]
        )
        granted = list(progress.granted)
        report.require(granted == reached, "I7", about, f"rewards of {progress.key} are {granted}, due are {reached}")
    for key in sales:
        report.breach("I7", f"progress/{key}", "paid orders exist, but no progress was counted")


async def _audit_sales(read: Read, report: Report, due: Mapping[str, Sale]) -> None:
    """Hold what is stored of each order against what the order says."""
    found = {d["_id"]: to_sale(d) for d in await read.find(SALES, {"_id": {"$in": list(due)}})}
    for key, sale in due.items():
        is_ = found.get(key)
        report.require(is_ == sale, "I7", f"order/{key}", f"is counted as {is_}, the order gives {sale}")


def _sale_of(order: Document, month: str) -> Sale:
    """What a paid order is counted as; all of a cancelled one was taken back."""
    net = sum(line["amount_minor"] - line["discount_minor"] for line in order["lines"])
    back = net if order["status"] == "cancelled" else net - sum(_kept_minor(line) for line in order["lines"])
    return Sale(order["_id"], month, net, counted=True, taken_back_minor=back)


def _key_of(progress: Progress) -> str:
    key = f"{progress.distributor_id}/{progress.month}/{progress.currency}"
    return key if progress.market == DEFAULT_MARKET else f"{key}/{progress.market}"


def _kept_minor(line: Document) -> int:
    """The line's net, without what was refunded of it."""
    net: int = line["amount_minor"] - line["discount_minor"] - line["refunded_minor"]
    return net
