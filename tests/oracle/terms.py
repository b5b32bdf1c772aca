"""A rule document in the engine's form, converted here so that the product's own reader is tested too."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from contracts.rules.view import Caps, Conditions, Differential, Fixed, Override, Plan, TeamBonus, Terms, Unilevel
from tests.oracle.reading import CAPS, DIGITS


def terms_of(document: dict[str, Any]) -> Terms:
    return Terms(
        title=document["title"],
        market=document.get("market", "default"),
        pool_rate_ppm=_ppm(document["pool_rate"]),
        plans=tuple(_plan(plan) for plan in document["plans"]),
        hold_days=document.get("hold_days", 7),
    )


def _plan(plan: dict[str, Any]) -> Plan:
    conditions = plan.get("conditions", {})
    common: dict[str, Any] = {
        "name": plan["name"],
        "conditions": Conditions(
            active=conditions.get("active", True),
            own_sales_min=_money(conditions.get("own_sales_min", [])),
            categories=tuple(conditions.get("categories", [])),
            products=tuple(conditions.get("products", [])),
        ),
        "caps": Caps(**{per: _money([cap for cap in plan.get("caps", []) if cap["per"] == per]) for per in CAPS}),
        "minimum": _money(plan.get("minimum", [])),
    }
    match plan["plan"]:
        case "unilevel":
            return Unilevel(
                rates_ppm=_rates(plan["rates"]),
                overrides=tuple(map(_override, plan.get("overrides", []))),
                compression=plan.get("compression", False),
                **common,
            )
        case "differential":
            return Differential(
                rates_ppm={tier: _ppm(rate) for tier, rate in plan["rates"].items()},
                peer_rate_ppm=_ppm(plan.get("peer_rate", "0")),
                levels_max=plan.get("levels_max", 10),
                **common,
            )
        case "team_bonus":
            return TeamBonus(rate_ppm=_ppm(plan["rate"]), own_sales=plan.get("own_sales", False), **common)
        case "fixed":
            amounts = {
                given["currency"]: tuple(_minor(level, given["currency"]) for level in given["levels"])
                for given in plan["amounts"]
            }
            return Fixed(amounts_minor=amounts, compression=plan.get("compression", False), **common)
        case other:
            raise ValueError(f"no such plan: {other}")


def _override(other: dict[str, Any]) -> Override:
    return Override(
        rates_ppm=_rates(other["rates"]),
        product_id=other.get("product_id"),
        category_id=other.get("category_id"),
        tier=other.get("tier"),
    )


def _rates(rates: list[str]) -> tuple[int, ...]:
    return tuple(map(_ppm, rates))


def _ppm(rate: str) -> int:
    return _whole(Fraction(rate) * 1_000_000)


def _money(amounts: list[dict[str, str]]) -> dict[str, int]:
    return {given["currency"]: _minor(given["amount"], given["currency"]) for given in amounts}


def _minor(amount: str, currency: str) -> int:
    return _whole(Fraction(amount) * 10 ** DIGITS[currency])


def _whole(number: Fraction) -> int:
    if number.denominator != 1:
        raise ValueError(f"{number} is finer than the engine's smallest unit")
    return number.numerator
