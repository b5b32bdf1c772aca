"""Compares the engine's outcome with the oracle's answer; each difference is a sentence.

Both are converted to one form first: an entry, or a reason, for each line, plan, level and distributor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from fractions import Fraction
from math import floor
from typing import Any

from contracts.commissions.view import Earned, Entry, LineRefund
from contracts.money import RATE_SCALE
from contracts.plans.calculation import ARITHMETIC, Earner, Outcome, Sale, SaleLine, calculate
from contracts.plans.reversal import left_of, pool_left
from contracts.rules.view import Differential, Fixed, Plan, TeamBonus, Terms, Unilevel
from tests.oracle import oracle
from tests.oracle.oracle import Answer, Back, Books, Key, Order
from tests.oracle.reading import CAPS, Rules, read
from tests.oracle.terms import terms_of
from tests.oracle.worlds import RunningBooks


class BothSides:
    """One rule set, in the oracle's form and in the engine's, and the books of what it has paid so far.

    The engine may get another document than the oracle, to test that the comparison detects it.
    """

    def __init__(self, document: dict[str, Any], engines_document: dict[str, Any] | None = None) -> None:
        self.title = document["title"]
        self.rules = read(document)
        self.terms = terms_of(engines_document or document)
        self.books = RunningBooks()

    def recalculate(self, order: Order) -> tuple[Answer, Outcome]:
        """Run both on the same figures; the books continue with the oracle's answer."""
        books = self.books.before(order)
        answer = oracle.recalculate(self.rules, order, books)
        outcome = calculate(self.terms, sale_of(order), earned_of(self.terms, books))
        self.books.enter(order, answer)
        return answer, outcome

    def refund(self, order: Order, answer: Answer, outcome: Outcome, back: Back) -> Iterator[str]:
        return refund_differences(self.rules, order, answer, outcome, back)


def refund_differences(rules: Rules, order: Order, answer: Answer, outcome: Outcome, back: Back) -> Iterator[str]:
    """Yield the differences in what is left of an order after this much money and this many units of its lines."""
    lines = [
        LineRefund(line["line"], line["net_minor"], line["quantity"], *back.get(line["line"], (0, 0)))
        for line in order["lines"]
    ]
    left = left_of(outcome.entries, outcome.pools_minor, lines, ARITHMETIC)
    engines = dict(zip(map(key_of, outcome.entries), left, strict=True))
    oracles = oracle.left_after(rules, answer, order["lines"], back)
    where = f"{back} back"
    if oracles != engines:
        yield f"{where}: the oracle leaves {oracles}, the engine {engines}"
    for line, pool, of in zip(lines, outcome.pools_minor, order["lines"], strict=True):
        money, _ = oracle.fractions_left(of, line.refunded_minor, line.refunded_quantity)
        of_line = sum(amount for key, amount in engines.items() if key[0] == line.line)
        engines_pool = pool_left(pool, line, ARITHMETIC)
        if engines_pool != floor(pool * money):
            yield f"{where}: of a pool of {pool} the engine leaves {engines_pool}"
        if of_line > pool * money:
            yield f"{where}: line {line.line} pays {of_line} of a pool of {pool}"
        if money == 0 and of_line:
            yield f"{where}: line {line.line} is not closed: {of_line} are left"


def sale_of(order: Order) -> Sale:
    leader = order["leader"]
    return Sale(
        currency=order["currency"],
        lines=tuple(SaleLine(**line) for line in order["lines"]),
        upline=tuple(Earner(level=level, **person) for level, person in enumerate(order["chain"], start=1)),
        leader=None if leader is None else Earner(level=0, **leader),
    )


def earned_of(terms: Terms, books: Books) -> Earned:
    """The part of the books that the worker keeps: only what a plan of the rule set needs."""
    needs_own_sales = any(plan.conditions.own_sales_min for plan in terms.plans)
    return Earned(
        own_sales_minor=dict(books["own_sales"]) if needs_own_sales else {},
        day_minor=_by_plan(books["day"], {plan.name for plan in terms.plans if plan.caps.day}),
        month_minor=_by_plan(books["month"], {plan.name for plan in terms.plans if plan.caps.month}),
    )


def _by_plan(paid: dict[Any, int], plans: set[str]) -> dict[str, dict[int, int]]:
    figures: dict[str, dict[int, int]] = {plan: {} for plan in plans}
    for (plan, distributor_id), amount in paid.items():
        if plan in plans:
            figures[plan][distributor_id] = amount
    return figures


def key_of(entry: Entry) -> Key:
    return entry.line, entry.plan, entry.level, entry.distributor_id


def unpaid_of(order: Order, outcome: Outcome) -> list[tuple[Key, str]]:
    """One reason for each line and upline; no lines means all lines. Without a team, level and distributor are 0."""
    every_line = [line["line"] for line in order["lines"]]
    reasons: list[tuple[Key, str]] = []
    for unpaid in outcome.unpaid:
        people = [(passed.level, passed.distributor_id) for passed in unpaid.uplines]
        if unpaid.reason == "no_team":
            people.append((0, 0))
        for line in unpaid.lines or every_line:
            reasons += [((line, unpaid.plan, *one), unpaid.reason) for one in people]
    return reasons


def differences(order: Order, answer: Answer, outcome: Outcome) -> Iterator[str]:
    """Yield a sentence for each figure, reason or detail in which the two differ."""
    entries = {key_of(entry): entry for entry in outcome.entries}
    reasons = unpaid_of(order, outcome)
    unpaid = dict(reasons)
    if len(entries) < len(outcome.entries):
        yield "the engine has two entries for the same line, plan and earner"
    if len(unpaid) < len(reasons):
        yield "the engine gives two reasons for the same line, plan and earner"
    if entries.keys() & unpaid.keys():
        yield f"the engine both pays and does not pay {sorted(entries.keys() & unpaid.keys())}"
    if list(outcome.pools_minor) != list(answer.pools.values()):
        yield f"pools: the oracle has {list(answer.pools.values())}, the engine {list(outcome.pools_minor)}"
    for key in answer.entries.keys() | answer.unpaid.keys() | entries.keys() | unpaid.keys():
        oracles = answer.entries.get(key) or answer.unpaid.get(key)
        entry = entries.get(key)
        engines = entry.amount_minor if entry else unpaid.get(key)
        if oracles != engines:
            yield f"{_named(key)}: the oracle has {oracles!r}, the engine {engines!r}"
        elif entry is not None:
            yield from _details(order, answer, key, entry)
    yield from _groups(order, outcome)


def _details(order: Order, answer: Answer, key: Key, entry: Entry) -> Iterator[str]:
    """If the amounts are the same, the details of the entry must be the same too."""
    line = order["lines"][entry.line - 1]
    person = order["chain"][entry.level - 1] if entry.level else order["leader"]
    of_rate = Fraction(entry.base_minor * entry.rate_ppm, 1_000_000)
    for what, oracles, engines in (
        ("exact share", answer.exact[key], of_rate if entry.rate_ppm else entry.unit_minor * entry.quantity),
        ("limited_by", answer.limited_by[key], entry.limited_by or ""),
        ("rounding", answer.rounding[key], entry.rounding),
        ("tier", person["tier"], entry.tier),
        ("product", line["product_id"], entry.product_id),
        ("base", line["net_minor"], entry.base_minor),
    ):
        if oracles != engines:
            yield f"{_named(key)}, {what}: the oracle has {oracles!r}, the engine {engines!r}"


def _groups(order: Order, outcome: Outcome) -> Iterator[str]:
    """Unpaid uplines with the same reason and lines must be one group, and "all lines" must be an empty list."""
    every_line = {line["line"] for line in order["lines"]}
    groups = [(unpaid.plan, unpaid.reason, unpaid.lines) for unpaid in outcome.unpaid]
    if len(set(groups)) < len(groups):
        yield "the engine has two groups of unpaid with the same plan, reason and lines"
    if any(set(lines) == every_line for _, _, lines in groups):
        yield "the engine lists all lines of a group of unpaid"


def _named(key: Key) -> str:
    line, plan, level, distributor_id = key
    return f"line {line}, plan {plan}, level {level}, distributor {distributor_id}"


def rules_of(terms: Terms) -> Rules:
    """Generated terms in the oracle's form."""
    return {"pool_rate": Fraction(terms.pool_rate_ppm, RATE_SCALE), "plans": [_rules_of(plan) for plan in terms.plans]}


def _rules_of(plan: Plan) -> Rules:
    rules: Rules = {
        "plan": plan.plan,
        "name": plan.name,
        "active": plan.conditions.active,
        "own_sales_min": plan.conditions.own_sales_min,
        "categories": plan.conditions.categories,
        "products": plan.conditions.products,
        "caps": {per: getattr(plan.caps, per) for per in CAPS},
        "minimum": plan.minimum,
    }
    match plan:
        case Unilevel():
            rules |= {"rates": _fractions(plan.rates_ppm), "compression": plan.compression, "overrides": {}}
            for other in plan.overrides:
                key = other.product_id, other.category_id, other.tier
                rules["overrides"].setdefault(key, _fractions(other.rates_ppm))
        case Differential():
            rules["rates"] = {tier: Fraction(ppm, RATE_SCALE) for tier, ppm in plan.rates_ppm.items()}
            rules |= {"peer_rate": Fraction(plan.peer_rate_ppm, RATE_SCALE), "levels_max": plan.levels_max}
        case TeamBonus():
            rules |= {"rate": Fraction(plan.rate_ppm, RATE_SCALE), "own_sales": plan.own_sales}
        case Fixed():
            rules |= {"amounts": plan.amounts_minor, "compression": plan.compression}
    return rules


def _fractions(rates_ppm: tuple[int, ...]) -> list[Fraction]:
    return [Fraction(ppm, RATE_SCALE) for ppm in rates_ppm]


def order_of(sale: Sale) -> Order:
    """A generated sale in the oracle's form."""

    def person(earner: Earner) -> dict[str, Any]:
        return {"distributor_id": earner.distributor_id, "tier": earner.tier, "active": earner.active}

    return {
        "currency": sale.currency,
        "lines": [asdict(line) for line in sale.lines],
        "chain": [person(earner) for earner in sale.upline],
        "leader": None if sale.leader is None else person(sale.leader),
    }


def books_of(earned: Earned) -> Books:
    return {
        "own_sales": dict(earned.own_sales_minor),
        "day": {(plan, who): amount for plan, sums in earned.day_minor.items() for who, amount in sums.items()},
        "month": {(plan, who): amount for plan, sums in earned.month_minor.items() for who, amount in sums.items()},
    }
