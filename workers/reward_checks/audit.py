"""I7: sales and rewards are what the orders give, less what was refunded of them, recomputed."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from contracts.orders.view import LISTS, ORDERS, seller_list
from contracts.rules.view import RULES
from infra.runtime.audit import Read, Report
from infra.runtime.store import Document
from workers.reward_checks.model import progress_key
from workers.reward_checks.repository import PROGRESS, to_progress

MAYBE_PAID = ["paid", "shipped", "completed", "refunded", "cancelled"]
_FIELDS = (
    *("paid_at", "reserved", "rule_version", "distributor_id", "placed_at", "currency", "status"),
    *("lines.amount_minor", "lines.discount_minor", "lines.refunded_minor"),
)


async def audit(read: Read, report: Report) -> None:
    rules = {document["_id"]: document for document in await read.find(RULES, {})}
    sales: Counter[str] = Counter()
    last: dict[str, tuple[datetime, datetime, int]] = {}
    concerned = _concerned(report)
    sellers = {} if concerned is None else {LISTS: {"$in": [seller_list(distributor) for distributor in concerned]}}
    async for order in read.stream(ORDERS, {"status": {"$in": MAYBE_PAID}, **sellers}, fields=_FIELDS):
        if "paid_at" not in order or not order["reserved"]:
            continue
        version = order["rule_version"]
        market = rules[version]["terms"]["market"]
        key = progress_key(order["distributor_id"], order["placed_at"], order["currency"], market)
        place = (order["placed_at"], rules[version]["effective_from"], version)
        last[key] = max(last.get(key, place), place)
        if order["status"] != "cancelled":
            sales[key] += sum(_kept_minor(line) for line in order["lines"])
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
        version = last[progress.key][2] if progress.key in last else 0
        is_ = progress.rule_version
        report.require(is_ == version, "I7", about, f"rules {is_} count for {progress.key}, the orders give {version}")
        targets = rules[version]["terms"]["targets"] if version else []
        due = sorted(
            target["reward"]
            for target in targets
            if target["currency"] == progress.currency and expected >= target["target_minor"]
        )
        granted = list(progress.granted)
        report.require(granted == due, "I7", about, f"rewards of {progress.key} are {granted}, due are {due}")
    for key in sales:
        report.breach("I7", f"progress/{key}", "paid orders exist, but no progress was counted")


def _concerned(report: Report) -> list[int] | None:
    """The distributors whose months are looked at; a month's key begins with its distributor."""
    distributors, months = report.ids("distributor"), report.ids("progress")
    if distributors is None or months is None:
        return None
    return sorted({int(key.partition("/")[0]) for key in (*distributors, *months)})


def _kept_minor(line: Document) -> int:
    """The line's net, without what was refunded of it."""
    net: int = line["amount_minor"] - line["discount_minor"] - line["refunded_minor"]
    return net
