"""I2: each paid order has exactly the entries that its snapshot and rule version give, recomputed with fractions.
I3: nobody is paid beyond a pool, every posting balances, and ledger, commissions and balances agree.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

from contracts.rules.view import RULES
from infra.runtime.audit import Read, Report
from infra.runtime.store import Document
from workers.commission_calculation.model import Commission
from workers.commission_calculation.repository import BALANCES, COMMISSIONS, LEDGER, to_commission, to_posting

ORDERS = "order_intake.orders"
_CHUNK = 500


async def audit(read: Read, report: Report) -> None:
    rules = {document["_id"]: document for document in await read.find(RULES, {})}
    await _audit_entries(read, report, rules)
    await _audit_ledger(read, report)


async def _audit_entries(read: Read, report: Report, rules: dict[int, Document]) -> None:
    """Walk orders and commissions side by side; both are sorted by order, so memory stays bounded."""
    chunk: list[Document] = []
    async for order in read.stream(ORDERS, {}, sort=(("_id", 1),)):
        chunk.append(order)
        if len(chunk) == _CHUNK:
            await _audit_chunk(read, report, rules, chunk)
            chunk = []
    await _audit_chunk(read, report, rules, chunk)
    report.figure("I3", "commissions", sum([1 async for _ in read.stream(COMMISSIONS, {}, fields=("_id",))]))
    known = int(report.figures.get("I2", {}).get("orders_paid", 0))
    stored = int(report.figures["I3"]["commissions"])
    report.require(stored == known, "I2", "commissions", f"{stored} commissions are stored for {known} paid orders")


async def _audit_chunk(read: Read, report: Report, rules: dict[int, Document], orders: list[Document]) -> None:
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
        report.add("I2", "entries", len(commission.entries))
        expected = expected_entries(order, rules[order["rule_version"]])
        actual = {(e.line, e.level, e.distributor_id): e.amount_minor for e in commission.entries}
        report.require(actual == expected, "I2", about, f"entries are {actual}, the rules give {expected}")
        _audit_pool(report, about, commission)
        is_reversed = commission.status == "reversed"
        is_fallen = order["status"] == "cancelled"
        report.require(is_reversed == is_fallen, "I2", about, f"is {order['status']}, commissions {commission.status}")


def expected_entries(order: Document, rules: Document) -> dict[tuple[int, int, int], int]:
    """The entries of an order by (line, level, distributor), in minor units: slow, plain and apart from the worker."""
    by_category = {category["category_id"]: category["rates_ppm"] for category in rules["categories"]}
    entries: dict[tuple[int, int, int], int] = {}
    for line in order["lines"]:
        base = line["amount_minor"] - line["discount_minor"]
        rates: list[int] = by_category.get(line["category_id"]) or rules["rates_ppm"]
        exact = {
            (line["line"], up["level"], up["distributor_id"]): Fraction(base * rates[up["level"] - 1], 1_000_000)
            for up in order["upline"]
            if up["active"] and up["level"] <= len(rates)
        }
        pool = base * rules["pool_rate_ppm"] // 1_000_000
        total = min(int(sum(exact.values(), Fraction(0)) + Fraction(1, 2)), pool)
        given = {key: int(share) for key, share in exact.items()}
        by_fraction = sorted(exact, key=lambda key: (-(exact[key] - int(exact[key])), key[1]))
        for key in by_fraction[: total - sum(given.values())]:
            given[key] += 1
        entries |= given
    return entries


def _audit_pool(report: Report, about: str, commission: Commission) -> None:
    total = commission.total_minor
    report.require(
        total <= commission.pool_minor, "I3", about, f"pays {total} out of a pool of {commission.pool_minor}"
    )


async def _audit_ledger(read: Read, report: Report) -> None:
    ledger: Counter[tuple[int, str]] = Counter()
    pool: Counter[str] = Counter()
    async for document in read.stream(LEDGER, {}):
        posting = to_posting(document)
        report.add("I3", "postings")
        amount = sum(leg.amount_minor for leg in posting.legs)
        report.require(amount == 0, "I3", f"order/{posting.key}", f"posting {posting.posting_id} is off by {amount}")
        for leg in posting.legs:
            if leg.account == "held":
                ledger[leg.distributor_id, posting.currency] += leg.amount_minor
            else:
                pool[posting.currency] -= leg.amount_minor
    entries: Counter[tuple[int, str]] = Counter()
    async for document in read.stream(COMMISSIONS, {"status": "accrued"}):
        commission = to_commission(document)
        for entry in commission.entries:
            entries[entry.distributor_id, commission.currency] += entry.amount_minor
    balances: Counter[tuple[int, str]] = Counter()
    async for document in read.stream(BALANCES, {}):
        balances[document["distributor_id"], document["currency"]] += document["held_minor"]
    for account in sorted(ledger.keys() | entries.keys() | balances.keys()):
        sums: dict[str, Any] = {
            "ledger": ledger[account],
            "entries": entries[account],
            "balance": balances[account],
        }
        about = f"distributor/{account[0]}"
        report.require(len(set(sums.values())) == 1, "I3", about, f"{account[1]} sums differ: {sums}")
    report.figure("I3", "accounts", len(balances))
    for currency, amount in sorted(pool.items()):
        report.figure("I3", f"paid_from_pool_minor_{currency}", amount)
