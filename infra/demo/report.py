"""The report at the end of the demo: every figure is read from the stores, none is remembered from publishing."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console

from contracts.commissions.view import BALANCES, COMMISSIONS, Commission
from contracts.explanation.statement_sentences import StatementWords
from contracts.money import to_amount
from contracts.operations.view import ALERTS, DEAD_LETTERS
from contracts.orders.v1 import OrderRefused, RefundRefused, StatusRefused
from contracts.orders.view import ORDERS, ORDERS_JOURNAL
from contracts.rewards.view import PROGRESS
from infra.adapters.mongo import MongoStore
from infra.demo import payouts, settlement
from infra.demo.bank import Bank
from infra.demo.payouts import Paid
from infra.demo.run import Outcome
from infra.demo.settlement import Statements
from infra.runtime.repository import Codec
from infra.terminal.screen import Grid

TOP = 5
_commissions = Codec(Commission, key="key")
_REFUSALS = {
    OrderRefused.message_type: "order",
    StatusRefused.message_type: "status",
    RefundRefused.message_type: "refund",
}


@dataclass(slots=True)
class Findings:
    """Figures by name, as stored in the database after the demo."""

    statuses: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    plans: dict[tuple[str, int], tuple[int, int, int]] = field(default_factory=dict)
    """By plan and level: the number of entries, their amount, and the clawback after refunds and cancellations."""

    held: int = 0
    available: int = 0
    top: list[tuple[int, int]] = field(default_factory=list)
    rewards: list[tuple[int, str, str]] = field(default_factory=list)
    alerts: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[tuple[str, str]] = field(default_factory=Counter)
    stock: dict[str, int] = field(default_factory=dict)
    currency: str = "USD"
    statements: Statements = field(default_factory=Statements)
    paid: Paid = field(default_factory=Paid)

    @property
    def entries(self) -> int:
        return sum(count for count, _, _ in self.plans.values())


async def gather(store: MongoStore, bank: Bank | None) -> Findings:
    found = Findings()
    async for order in store.stream(ORDERS, {}, fields=("status", "reason", "currency")):
        reason = f" ({order['reason']})" if "reason" in order else ""
        found.statuses[order["status"] + reason] += 1
        found.currency = order["currency"]
    await _refusals(store, found)
    await _money(store, found)
    found.statements = await settlement.gather(store)
    found.paid = await payouts.gather(store, bank)
    async for progress in store.stream(PROGRESS, {"granted": {"$gt": []}}):
        for reward in progress["granted"]:
            found.rewards.append((progress["distributor_id"], progress["month"], reward))
    async for alert in store.stream(ALERTS, {"state": "open"}):
        found.alerts[alert["kind"]] += 1
    async for letter in store.stream(DEAD_LETTERS, {}):
        found.dead_letters[letter["queue"], letter["reason"]] += 1
    return found


async def _refusals(store: MongoStore, found: Findings) -> None:
    """Refusal events of the journal, by reason code."""
    async for record in store.stream(ORDERS_JOURNAL, {"emitted": {"$gt": []}}, fields=("emitted",)):
        for emitted in record["emitted"]:
            if kind := _REFUSALS.get(emitted["type"]):
                found.refusals[f"{kind}: {json.loads(emitted['body'])['data']['reason']}"] += 1


async def _money(store: MongoStore, found: Findings) -> None:
    earned: Counter[int] = Counter()
    plans: dict[tuple[str, int], list[int]] = {}
    async for document in store.stream(COMMISSIONS, {}):
        commission = _commissions.to_entity(document)
        for entry, remaining in zip(commission.entries, commission.remaining_minor(), strict=True):
            sums = plans.setdefault((entry.plan, entry.level), [0, 0, 0])
            sums[0] += 1
            sums[1] += entry.amount_minor
            sums[2] += entry.amount_minor - remaining
            earned[entry.distributor_id] += remaining
    found.plans = {key: (sums[0], sums[1], sums[2]) for key, sums in sorted(plans.items())}
    found.top = earned.most_common(TOP)
    async for balance in store.stream(BALANCES, {"distributor_id": {"$gt": 0}}):
        found.held += balance.get("held_minor", 0)
        found.available += balance.get("available_minor", 0)


def accounted(outcome: Outcome) -> bool:
    """Whether every published message is handled, recognised as a repeat, or dead-lettered."""
    expectation, figures = outcome.expectation, outcome.report.figures["I5"]

    def count(name: str) -> int:
        return int(figures.get(name, 0))

    orders = count("orders_accepted") == expectation.orders
    letters = count("dead_letters_waiting") == expectation.dead_lettered
    return orders and letters and outcome.accounted.messages == outcome.published_events


def as_object(outcome: Outcome, found: Findings, *, verified: bool) -> dict[str, Any]:
    figures = outcome.report.figures["I5"]
    orders = outcome.expectation.orders
    return {
        "published": outcome.published_events,
        "accounted": outcome.accounted.messages,
        "accepted": figures.get("orders_accepted", 0),
        "refused": sum(found.refusals.values()),
        "duplicates": outcome.accounted.repeats + int(figures.get("orders_duplicate", 0)),
        "dead_lettered": figures.get("dead_letters_waiting", 0),
        "commission_entries": found.entries,
        "held_minor": found.held,
        "available_minor": found.available,
        "rewards": len(found.rewards),
        "statements": dict(found.statements.outcomes),
        "statements_payable_minor": found.statements.payable_minor,
        "statements_carried_minor": found.statements.carried_minor,
        "statements_differing": found.statements.differing,
        "sample_statements": {name: one.statement_id for name, one in found.statements.samples.items()},
        "payouts": dict(found.paid.states),
        "payouts_paid_minor": found.paid.paid_minor,
        "payouts_in_books_of_bank_minor": found.paid.bank_minor,
        "returned_statement": found.paid.returned.statement_id if found.paid.returned else None,
        "alerts": sum(found.alerts.values()),
        "mailed": asdict(outcome.mailed),
        "statuses": dict(found.statuses),
        "refusals": dict(found.refusals),
        "stock_before": outcome.stock_before,
        "stock_after": found.stock,
        "seconds": round(outcome.seconds, 2),
        "orders_per_s": round(orders / outcome.order_phase_s, 1) if outcome.order_phase_s else 0,
        "verified": verified,
        "sample_order": outcome.sample_order,
    }


def show(console: Console, outcome: Outcome, found: Findings) -> None:
    def amount(minor: int) -> str:
        return f"{to_amount(minor, found.currency)} {found.currency}"

    _table(console, "orders by status", ((status, count) for status, count in found.statuses.most_common()))
    _table(console, "refusals by reason", ((reason, count) for reason, count in found.refusals.most_common()))
    before, after = outcome.stock_before, found.stock
    names = ("products", "on_hand", "reserved")
    _table(console, "stock", ((name, before[name], after[name]) for name in names), ("", "before", "after"))
    rows = (
        (f"{plan}, {f'level {level}' if level else 'leader'}", count, amount(given), amount(taken))
        for (plan, level), (count, given, taken) in found.plans.items()
    )
    _table(console, "commissions by plan and level", rows, ("", "entries", "given", "taken back"))
    _table(console, "balances", (("held", amount(found.held)), ("available", amount(found.available))))
    tops = ((f"distributor {distributor_id}", amount(minor)) for distributor_id, minor in found.top)
    _table(console, "top distributors", tops)
    _table(console, "rewards", ((f"distributor {who}", month, reward) for who, month, reward in found.rewards))
    statements = found.statements
    _table(console, "statements by outcome", statements.outcomes.most_common())
    sums = (("payable", amount(statements.payable_minor)), ("carried", amount(statements.carried_minor)))
    _table(console, "statements in all", (*sums, ("distributors that differ from the ledger", statements.differing)))
    paid = found.paid
    _table(console, "payouts by state", paid.states.most_common())
    if paid.states:
        books = (
            ("paid, as payouts say", paid.paid_minor),
            ("kept by payees, as the bank's books say", paid.bank_minor),
        )
        _table(console, "payouts", ((name, f"{to_amount(minor, payouts.CURRENCY)} EUR") for name, minor in books))
    samples = [*statements.samples.values(), *([paid.returned] if paid.returned else [])]
    for statement in samples:
        words = StatementWords(statement, "en")
        _table(console, words.title(), words.figures())
        for sentence in (*words.sums(), *words.sentences()):
            console.print(sentence, highlight=False, markup=False)
    _table(console, "open alerts", found.alerts.items())
    _table(console, "alerts mailed to administrators", asdict(outcome.mailed).items())
    _table(console, "dead letters", ((queue, reason, n) for (queue, reason), n in found.dead_letters.items()))


def _table(console: Console, title: str, rows: Any, headers: tuple[str, ...] = ()) -> None:
    table = Grid(*headers, title=title, title_justify="left", show_header=bool(headers))
    for row in rows:
        table.add_row(*map(str, row))
    if table.row_count:
        console.print(table)
    else:
        console.print(f"{title}: none")
