"""Orders and their commissions, as the engine books them, for tests of explanations."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

from contracts.commissions.view import Commission, Earned, LineRefund, Reversal
from contracts.explanation.commission_sentences import sentences_of
from contracts.explanation.explained import Explanation, OrderFacts
from contracts.explanation.explanation import explain
from contracts.orders.view import Line
from contracts.plans.calculation import ARITHMETIC, Earner, Sale, SaleLine, calculate
from contracts.plans.reversal import left_of
from contracts.rules.view import Differential, Fixed, TeamBonus, Terms, Unilevel
from tests.oracle.documents import TIERS, drawn
from tests.oracle.terms import terms_of

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
SELLER, SPONSOR, TOP, LEADER = 3, 2, 1, 9


def an_upline(*tiers: str, inactive: tuple[int, ...] = ()) -> tuple[Earner, ...]:
    """The seller 3, its sponsor 2, and 1 at the top; one distributor for each tier."""
    return tuple(Earner(level, 4 - level, tier, level not in inactive) for level, tier in enumerate(tiers, start=1))


def an_order(*lines: Line, currency: str = "CNY", **fields: Any) -> OrderFacts:
    values: dict[str, Any] = {
        "key": "shop-1/1001",
        "status": "paid",
        "placed_at": NOON,
        "upline": an_upline("standard", "silver", "gold"),
        **fields,
    }
    return OrderFacts(currency=currency, lines=lines or (Line(1, 501, 7, 2, 6000, 530),), **values)


def terms(*plans: Any, pool_rate_ppm: int = 200_000) -> Terms:
    return Terms("Autumn", "default", pool_rate_ppm, plans)


def booked(order: OrderFacts, rules: Terms, earned: Earned | None = None, **fields: Any) -> Commission:
    """The commission of the order, as the engine and the worker book it."""
    lines = tuple(SaleLine(x.line, x.product_id, x.category_id, x.quantity, x.net_minor) for x in order.lines)
    known = earned or Earned()
    outcome = calculate(rules, Sale(order.currency, lines, order.upline, order.leader), known)
    return Commission(
        key=order.key,
        currency=order.currency,
        rule_version=4,
        order_version=2,
        placed_at=order.placed_at,
        accrued_at=NOON,
        seller_id=order.upline[0].distributor_id,
        pool_minor=sum(outcome.pools_minor),
        pools_minor=outcome.pools_minor,
        entries=outcome.entries,
        unpaid=outcome.unpaid,
        lines=tuple(LineRefund(x.line, x.net_minor, x.quantity) for x in order.lines),
        hold_days=7,
        earned=known,
        **fields,
    )


def refunded(
    commission: Commission, *, parts: int, of: int, reference: str = "refund-1", reason: str = "order_refunded"
) -> Commission:
    """The commission after a refund of the fraction `parts` / `of` of every line."""
    lines = [
        replace(line, refunded_minor=line.net_minor * parts // of, refunded_quantity=line.quantity * parts // of)
        for line in commission.lines
    ]
    left = left_of(commission.entries, commission.pools_minor, lines, ARITHMETIC)
    amounts = tuple(now - before for now, before in zip(left, commission.remaining_minor(), strict=True))
    reversal = Reversal(reference, reason, NOON, "held" if commission.status == "held" else "available", amounts)
    return replace(commission, reversals=(*commission.reversals, reversal))


def explained_text(
    order: OrderFacts, rules: Terms, earned: Earned | None = None, language: Any = "en", **fields: Any
) -> str:
    return text_of(explain(order, booked(order, rules, earned, **fields), rules), language)


def text_of(explanation: Explanation, language: Any = "en") -> str:
    sections = sentences_of(explanation, language)
    return "\n".join(line for section in sections for line in (section.heading, *section.sentences))


LEVELS = Unilevel("direct", (50_000, 30_000))
TIERED = Differential("tiers", {"silver": 40_000, "gold": 60_000}, peer_rate_ppm=5_000)
TEAM = TeamBonus("team", 10_000)
UNITS = Fixed("units", {"CNY": (50, 20)})


def any_commission(seed: int) -> tuple[OrderFacts, Terms, Commission]:
    """An order, rules and running figures drawn by a seed, with a refund or two."""
    dice = Random(seed)
    rules = terms_of(drawn(seed, list(range(1, 11)), list(range(1, 11))))
    currency = dice.choice(("USD", "JPY", "KWD"))
    lines = []
    for number in range(1, dice.randint(1, 5) + 1):
        amount, quantity = dice.choice((0, 7, 199, 5_470, 123_456)), dice.randint(1, 5)
        discount = dice.choice((0, amount // 3))
        lines.append(Line(number, dice.randint(1, 20), dice.randint(1, 12), quantity, amount, discount))
    people = [
        Earner(level, 100 + level, dice.choice(TIERS), dice.random() < 0.8) for level in range(1, dice.randint(2, 9))
    ]
    leader = dice.choice((None, Earner(0, 100, "gold", True), replace(people[0], level=0)))
    order = an_order(*lines, currency=currency, upline=tuple(people), leader=leader)
    known = {person.distributor_id: dice.choice((0, 300, 9_999)) for person in (*people, Earner(0, 100, "", True))}
    months, orders = ({plan.name: dict(known) for plan in rules.plans} for _ in range(2))
    earned = Earned(known, months, orders)
    commission = booked(order, rules, earned)
    for number in range(1, dice.randint(1, 4)):
        commission = refunded(commission, parts=number, of=3, reference=f"refund-{number}")
    return order, rules, commission
