"""I7: sales and rewards are what the orders give, less what was refunded of them, recomputed."""

from __future__ import annotations

from collections import Counter, defaultdict

from contracts.rules.view import RULES
from infra.runtime.audit import Read, Report
from infra.runtime.store import Document
from workers.reward_checks.model import progress_key
from workers.reward_checks.repository import PROGRESS, to_progress

ORDERS = "order_intake.orders"
MAYBE_PAID = ["paid", "shipped", "completed", "refunded", "cancelled"]


async def audit(read: Read, report: Report) -> None:
    rules = {document["_id"]: document for document in await read.find(RULES, {})}
    sales: Counter[str] = Counter()
    newest: defaultdict[str, int] = defaultdict(int)
    async for order in read.stream(ORDERS, {"status": {"$in": MAYBE_PAID}}):
        if "paid_at" not in order or not order["reserved"]:
            continue
        key = progress_key(order["distributor_id"], order["placed_at"], order["currency"])
        newest[key] = max(newest[key], order["rule_version"])
        if order["status"] != "cancelled":
            sales[key] += sum(_kept_minor(line) for line in order["lines"])
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
        targets = rules[newest[progress.key]]["terms"]["targets"] if newest[progress.key] else []
        due = sorted(
            target["reward"]
            for target in targets
            if target["currency"] == progress.currency and expected >= target["target_minor"]
        )
        granted = list(progress.granted)
        report.require(granted == due, "I7", about, f"rewards of {progress.key} are {granted}, due are {due}")
    for key in sales:
        report.breach("I7", f"progress/{key}", "paid orders exist, but no progress was counted")


def _kept_minor(line: Document) -> int:
    """The line's net, without what was refunded of it."""
    net: int = line["amount_minor"] - line["discount_minor"] - line["refunded_minor"]
    return net
