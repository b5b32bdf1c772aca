"""The rule sets of the comparison, as JSON documents: some written by hand, others drawn by a seed.

Together they use every feature of a rule set. Amounts are in three currencies with 2, 0 and 3 digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

TIERS = ("standard", "silver", "gold", "diamond")

Document = dict[str, Any]


def money(dollars: str, currencies: Sequence[str] = ("USD", "JPY", "KWD")) -> list[dict[str, str]]:
    """The same amount in each currency; `dollars` has whole cents."""
    cents = round(float(dollars) * 100)
    amounts = {"USD": f"{cents / 100:.2f}", "JPY": str(cents), "KWD": f"{cents / 100:.3f}"}
    return [{"currency": currency, "amount": amounts[currency]} for currency in currencies]


def cap(per: str, dollars: str, currencies: Sequence[str] = ("USD", "JPY", "KWD")) -> list[dict[str, str]]:
    return [{"per": per, **amount} for amount in money(dollars, currencies)]


def per_unit(dollars: Sequence[str], currencies: Sequence[str] = ("USD", "JPY", "KWD")) -> list[dict[str, Any]]:
    return [
        {"currency": currency, "levels": [money(level, [currency])[0]["amount"] for level in dollars]}
        for currency in currencies
    ]


def written(products: Sequence[int], categories: Sequence[int]) -> list[Document]:
    """Seven rule sets as a business would write them. `products` and `categories` are the best-selling ones."""
    overrides = [
        {"product_id": products[0], "tier": "gold", "rates": ["0.09", "0.04", "0.02"]},
        {"product_id": products[0], "rates": ["0.01"]},
        {"product_id": products[1], "rates": ["0.08", "0", "0.015"]},
        {"category_id": categories[0], "tier": "silver", "rates": ["0.07", "0.05"]},
        {"category_id": categories[0], "rates": ["0.065", "0.045", "0.003", "0.0005"]},
        {"category_id": categories[1], "tier": "diamond", "rates": ["0.05", "0.05"]},
        {"tier": "diamond", "rates": ["0.06", "0.06", "0.01", "0.01"]},
    ]
    levels = {"plan": "unilevel", "name": "levels", "rates": ["0.05", "0.03", "0.01"]}
    tiers: dict[str, Any] = {
        "plan": "differential",
        "name": "tiers",
        "rates": {"silver": "0.02", "gold": "0.05", "diamond": "0.08"},
    }
    return [
        {
            "title": "Levels with exceptions",
            "pool_rate": "0.25",
            "plans": [{**levels, "overrides": overrides, "caps": cap("entry", "0.40") + cap("order", "1.10")}],
        },
        {
            "title": "Levels for those who sell, then tiers with peers",
            "pool_rate": "0.30",
            "plans": [
                {
                    **levels,
                    "overrides": overrides,
                    "compression": True,
                    "conditions": {"own_sales_min": money("60.00")},
                    "caps": cap("month", "25.00"),
                },
                {**tiers, "rates": {**tiers["rates"], "standard": "0"}, "peer_rate": "0.005", "levels_max": 5},
            ],
        },
        {
            "title": "Teams, and an amount for each unit of some goods",
            "pool_rate": "0.20",
            "plans": [
                {
                    "plan": "team_bonus",
                    "name": "team",
                    "rate": "0.02",
                    "conditions": {"categories": list(categories[:6]), "own_sales_min": money("20.00")},
                    "caps": cap("day", "0.75"),
                },
                {
                    "plan": "fixed",
                    "name": "units",
                    "amounts": per_unit(["0.07", "0.03"], ["USD", "JPY"]),
                    "compression": True,
                    "conditions": {"products": list(products), "categories": list(categories[1:4])},
                    "minimum": money("0.05"),
                },
            ],
        },
        {
            "title": "Amounts first, percentages of what is left",
            "pool_rate": "0.12",
            "plans": [
                {
                    "plan": "fixed",
                    "name": "units",
                    "amounts": per_unit(["0.20", "0", "0.05"]),
                    "minimum": money("0.10"),
                },
                {**levels, "rates": ["0.06", "0.04"], "conditions": {"active": False}},
                {"plan": "team_bonus", "name": "team", "rate": "0.015", "own_sales": True},
            ],
        },
        {
            "title": "All four kinds with all four caps",
            "pool_rate": "0.25",
            "plans": [
                {**levels, "overrides": overrides, "caps": cap("order", "1.50") + cap("day", "4.00")},
                {**tiers, "rates": {"silver": "0.01", "gold": "0.03"}, "peer_rate": "0.01", "minimum": money("0.02")},
                {"plan": "team_bonus", "name": "team", "rate": "0.01", "own_sales": True, "caps": cap("month", "2.00")},
                {"plan": "fixed", "name": "units", "amounts": per_unit(["0.01"]), "caps": cap("entry", "0.03")},
            ],
        },
        {
            "title": "Crumbs",
            "pool_rate": "0.004",
            "plans": [
                {**levels, "rates": ["0.0011", "0.000733", "0.000367", "0.0002", "0.0001"], "compression": True},
                {**tiers, "rates": {"standard": "0.000333", "silver": "0.000667", "gold": "0.001"}, "levels_max": 3},
                {"plan": "team_bonus", "name": "team", "rate": "0.000499"},
            ],
        },
        {
            "title": "Tiers within limits",
            "pool_rate": "0.20",
            "plans": [
                {
                    **tiers,
                    "rates": {"standard": "0.01", **tiers["rates"]},
                    "peer_rate": "0.02",
                    "caps": cap("order", "0.40") + cap("month", "1.50"),
                    "minimum": money("0.03"),
                },
            ],
        },
    ]


def drawn(seed: int, products: Sequence[int], categories: Sequence[int]) -> Document:
    """An unrealistic rule set: one to four plans of any kind, each with any feature it may have."""
    dice = Random(seed)
    plans: list[Document] = []
    for number in range(dice.randint(1, 4)):
        plan = dice.choice((_unilevel, _differential, _team_bonus, _fixed))(dice, products, categories)
        plans.append({**plan, "name": f"{plan['plan']}_{number}", **_common(dice, products, categories)})
    # The pool may be too small for the plans, unlike that of a published rule set, so that the pool limits shares.
    return {"title": f"Drawn by seed {seed}", "pool_rate": _rate(dice, 90_000, 400_000), "plans": plans}


def _common(dice: Random, products: Sequence[int], categories: Sequence[int]) -> Document:
    common: Document = {}
    conditions: Document = {}
    if dice.random() < 0.2:
        conditions["active"] = False
    if dice.random() < 0.3:
        conditions["own_sales_min"] = money(str(dice.choice((5, 20, 80, 200))), _some_currencies(dice))
    if dice.random() < 0.25:
        conditions["categories"] = dice.sample(list(categories), 4)
    if dice.random() < 0.2:
        conditions["products"] = dice.sample(list(products), 5)
    if conditions:
        common["conditions"] = conditions
    caps: list[dict[str, str]] = []
    for per, most in (("entry", 40), ("order", 150), ("day", 300), ("month", 600)):
        if dice.random() < 0.3:
            caps += cap(per, f"{dice.randint(0 if dice.random() < 0.1 else 3, most) / 100:.2f}", _some_currencies(dice))
    if caps:
        common["caps"] = caps
    if dice.random() < 0.3:
        common["minimum"] = money(dice.choice(("0.01", "0.02", "0.05", "0.20")), _some_currencies(dice))
    return common


def _some_currencies(dice: Random) -> list[str]:
    return dice.choice((["USD", "JPY", "KWD"], ["USD", "JPY"], ["KWD", "USD"], ["JPY"]))


def _rate(dice: Random, low_ppm: int, high_ppm: int) -> str:
    ppm = dice.randint(low_ppm, high_ppm)
    ppm -= ppm % dice.choice((1, 10, 1_000))
    return f"{ppm / 1_000_000:.6f}"


def _rates(dice: Random, most: int) -> list[str]:
    rates = [_rate(dice, 200, 60_000 // (level + 1)) for level in range(dice.randint(1, most))]
    if len(rates) > 1 and dice.random() < 0.3:
        rates[dice.randrange(len(rates))] = "0"
    if len(rates) > 1 and dice.random() < 0.3:
        rates[-1] = rates[0]
    return rates


def _unilevel(dice: Random, products: Sequence[int], categories: Sequence[int]) -> Document:
    places: list[dict[str, Any]] = [{"tier": tier} for tier in TIERS]
    for tier in ({}, *places[:]):
        places += [{"product_id": product_id, **tier} for product_id in products]
        places += [{"category_id": category_id, **tier} for category_id in categories]
    return {
        "plan": "unilevel",
        "rates": _rates(dice, 10),
        "overrides": [
            {**place, "rates": _rates(dice, 5)}
            for place in dice.sample(places, dice.choice((0, 0, 3, 20, len(places))))
        ],
        "compression": dice.random() < 0.4,
    }


def _differential(dice: Random, products: Sequence[int], categories: Sequence[int]) -> Document:
    rates = sorted(_rate(dice, 1_000, 90_000) for _ in TIERS)
    if dice.random() < 0.3:
        rates[2] = rates[1]
    return {
        "plan": "differential",
        "rates": {
            tier: "0" if dice.random() < 0.1 else rate
            for tier, rate in zip(TIERS, rates, strict=True)
            if dice.random() < 0.85
        }
        or {"gold": "0.05"},
        "peer_rate": dice.choice(("0", _rate(dice, 500, 10_000))),
        "levels_max": dice.choice((1, 2, 4, 10)),
    }


def _team_bonus(dice: Random, products: Sequence[int], categories: Sequence[int]) -> Document:
    return {"plan": "team_bonus", "rate": _rate(dice, 500, 30_000), "own_sales": dice.random() < 0.5}


def _fixed(dice: Random, products: Sequence[int], categories: Sequence[int]) -> Document:
    dollars = [f"{dice.randint(1, 25) / 100:.2f}" for _ in range(dice.randint(1, 5))]
    if len(dollars) > 2 and dice.random() < 0.4:
        dollars[1] = "0"
    return {
        "plan": "fixed",
        "amounts": per_unit(dollars, _some_currencies(dice)),
        "compression": dice.random() < 0.5,
    }
