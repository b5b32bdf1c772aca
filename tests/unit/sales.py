"""Sales, rules and their results in business notation: rates as "5%", amounts as "9.00"."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from contracts.commissions.view import Earned, Entry
from contracts.money import to_amount, to_minor, to_rate_ppm
from contracts.plans.calculation import Earner, Outcome, Sale, SaleLine, calculate
from contracts.rules.view import Caps, Differential, Fixed, Plan, TeamBonus, Terms, Unilevel

TEA, POT, CUP = 501, 502, 601
TEAS, CUPS = 7, 8
SELLER, SPONSOR, GRAND_SPONSOR = 101, 102, 103
LEADER = 900
NOTHING_EARNED = Earned()


def rate(text: str) -> int:
    """ "5%" in parts per million."""
    return to_rate_ppm(Decimal(text.removesuffix("%")) / 100)


def rates(text: str) -> tuple[int, ...]:
    return tuple(rate(word) for word in text.split())


def rates_by_tier(text: str) -> dict[str, int]:
    """ "standard 2%, gold 6%"."""
    return {tier: rate(figure) for tier, figure in (words.split() for words in text.split(", "))}


def minor(text: str, currency: str = "CNY") -> int:
    return to_minor(Decimal(text), currency)


def money(text: str) -> dict[str, int]:
    """ "CNY 5.00"; nothing for the empty text."""
    if not text:
        return {}
    currency, amount = text.split()
    return {currency: minor(amount, currency)}


def caps(entry: str = "", order: str = "", day: str = "", month: str = "") -> Caps:
    return Caps(money(entry), money(order), money(day), money(month))


def chain(tiers: str) -> tuple[Earner, ...]:
    """ "standard, (silver), gold": the seller first, brackets mean inactive; distributors 101, 102 and so on."""
    return tuple(earner(level, 100 + level, tier) for level, tier in enumerate(tiers.split(", "), start=1))


def earner(level: int, distributor_id: int, tier: str) -> Earner:
    return Earner(level, distributor_id, tier.strip("()"), active=not tier.startswith("("))


def leader(tier: str = "standard", distributor_id: int = LEADER) -> Earner:
    return earner(0, distributor_id, tier)


def a_line(
    net: str = "90.00",
    *,
    line: int = 1,
    product_id: int = TEA,
    category_id: int = TEAS,
    quantity: int = 1,
    currency: str = "CNY",
) -> SaleLine:
    return SaleLine(line, product_id, category_id, quantity, minor(net, currency))


def a_sale(*lines: SaleLine, tiers: str = "standard", currency: str = "CNY", leading: Earner | None = None) -> Sale:
    return Sale(currency, lines or (a_line(currency=currency),), chain(tiers), leading)


def unilevel(text: str = "10% 5% 3%", name: str = "levels", **more: object) -> Unilevel:
    return Unilevel(name, rates(text), **more)  # type: ignore[arg-type]


def differential(text: str = "standard 2%, silver 4%, gold 6%", peer: str = "0%", **more: object) -> Differential:
    return Differential("tiers", rates_by_tier(text), rate(peer), **more)  # type: ignore[arg-type]


def team_bonus(text: str = "1%", **more: object) -> TeamBonus:
    return TeamBonus("team", rate(text), **more)  # type: ignore[arg-type]


def fixed(amounts: Mapping[str, str], **more: object) -> Fixed:
    """{"CNY": "0.50 0.20"}: amounts per unit, by level."""
    levels = {currency: tuple(minor(word, currency) for word in words.split()) for currency, words in amounts.items()}
    return Fixed("units", levels, **more)  # type: ignore[arg-type]


def terms(*plans: Plan, pool: str = "20%") -> Terms:
    return Terms("test", "default", rate(pool), plans)


def outcome(sale: Sale, *plans: Plan, pool: str = "20%", earned: Earned = NOTHING_EARNED) -> Outcome:
    return calculate(terms(*plans, pool=pool), sale, earned)


def results(sale: Sale, calculated: Outcome, plan: Plan, line: int = 1) -> str:
    """The plan's result on a line for each of the chain, or for the leader: "9.00, inactive, 2.70"."""
    earners = ([sale.leader] if sale.leader else []) if isinstance(plan, TeamBonus) else sale.upline
    by_level = {
        entry.level: _amount(entry, sale.currency)
        for entry in calculated.entries
        if (entry.plan, entry.line) == (plan.name, line)
    }
    for unpaid in calculated.unpaid:
        if unpaid.plan == plan.name and (not unpaid.lines or line in unpaid.lines):
            for upline in unpaid.uplines:
                assert upline.level not in by_level, "paid and unpaid, or unpaid for two reasons"
                by_level[upline.level] = unpaid.reason
    return ", ".join(by_level[upline.level] for upline in earners)


def _amount(entry: Entry, currency: str) -> str:
    limited = f" ({entry.limited_by})" if entry.limited_by is not None else ""
    return f"{to_amount(entry.amount_minor, currency)}{limited}"
