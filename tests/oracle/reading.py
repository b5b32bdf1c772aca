"""Reads a rule document from JSON into fractions: rates as they are, amounts in minor units.

It is independent of the product's own reader: digits of currencies and defaults are repeated here.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

DIGITS = {"USD": 2, "CNY": 2, "JPY": 0, "KWD": 3}
"""Minor digits of the currencies that the comparison uses (ISO 4217)."""

CAPS = ("entry", "order", "day", "month")

Rules = dict[str, Any]
"""A document of the same shape, with fractions for decimal strings and dicts by currency for lists of money."""


def read(document: dict[str, Any]) -> Rules:
    return {
        "pool_rate": Fraction(document["pool_rate"]),
        "plans": [_read_plan(plan) for plan in document["plans"]],
    }


def _read_plan(plan: dict[str, Any]) -> Rules:
    conditions = plan.get("conditions", {})
    rules: Rules = {
        "plan": plan["plan"],
        "name": plan["name"],
        "active": conditions.get("active", True),
        "own_sales_min": _by_currency(conditions.get("own_sales_min", [])),
        "categories": conditions.get("categories", []),
        "products": conditions.get("products", []),
        "caps": {per: _by_currency([cap for cap in plan.get("caps", []) if cap["per"] == per]) for per in CAPS},
        "minimum": _by_currency(plan.get("minimum", [])),
    }
    if plan["plan"] == "unilevel":
        rules["rates"] = _rates(plan["rates"])
        rules["overrides"] = {
            (other.get("product_id"), other.get("category_id"), other.get("tier")): _rates(other["rates"])
            for other in plan.get("overrides", [])
        }
        rules["compression"] = plan.get("compression", False)
    elif plan["plan"] == "differential":
        rules["rates"] = {tier: Fraction(rate) for tier, rate in plan["rates"].items()}
        rules["peer_rate"] = Fraction(plan.get("peer_rate", "0"))
        rules["levels_max"] = plan.get("levels_max", 10)
    elif plan["plan"] == "team_bonus":
        rules["rate"] = Fraction(plan["rate"])
        rules["own_sales"] = plan.get("own_sales", False)
    elif plan["plan"] == "fixed":
        rules["amounts"] = {
            amounts["currency"]: [_minor(level, amounts["currency"]) for level in amounts["levels"]]
            for amounts in plan["amounts"]
        }
        rules["compression"] = plan.get("compression", False)
    else:
        raise ValueError(f"no such plan: {plan['plan']}")
    return rules


def _rates(rates: Sequence[str]) -> list[Fraction]:
    return [Fraction(rate) for rate in rates]


def _by_currency(amounts: Sequence[dict[str, str]]) -> dict[str, Fraction]:
    return {money["currency"]: _minor(money["amount"], money["currency"]) for money in amounts}


def _minor(amount: str, currency: str) -> Fraction:
    return Fraction(amount) * 10 ** DIGITS[currency]
