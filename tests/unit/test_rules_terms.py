"""The terms of a document, and the digest that identifies them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.money import MoneyError
from contracts.rules.document import RuleDocument
from contracts.rules.terms import digest_of, terms_of
from contracts.rules.view import (
    Caps,
    Conditions,
    Differential,
    Fixed,
    Override,
    RuleSet,
    SalesTarget,
    TeamBonus,
    Terms,
    Unilevel,
)
from infra.runtime.repository import Codec

FULL: dict[str, Any] = {
    "title": "Everything",
    "market": "cn",
    "pool_rate": "0.25",
    "hold_days": 0,
    "plans": [
        {
            "plan": "unilevel",
            "name": "direct",
            "rates": ["0.10", "0.000001"],
            "overrides": [
                {"product_id": 5, "rates": ["0.05"]},
                {"category_id": 7, "tier": "gold", "rates": ["0.1", "0.02"]},
            ],
            "compression": True,
            "conditions": {
                "active": False,
                "own_sales_min": [{"currency": "CNY", "amount": "100"}, {"currency": "JPY", "amount": "2000"}],
                "categories": [7],
                "products": [5, 6],
            },
            "caps": [
                {"per": "entry", "currency": "CNY", "amount": "1.23"},
                {"per": "order", "currency": "CNY", "amount": "2"},
                {"per": "day", "currency": "KWD", "amount": "0.001"},
                {"per": "month", "currency": "CNY", "amount": "4"},
                {"per": "month", "currency": "JPY", "amount": "5"},
            ],
            "minimum": [{"currency": "CNY", "amount": "0.01"}],
        },
        {
            "plan": "differential",
            "name": "ranks",
            "rates": {"silver": "0.03", "gold": "0.05"},
            "peer_rate": "0.01",
            "levels_max": 5,
        },
        {"plan": "team_bonus", "name": "teams", "rate": "0.02", "own_sales": True},
        {
            "plan": "fixed",
            "name": "units",
            "amounts": [{"currency": "CNY", "levels": ["0.50", "0.2"]}, {"currency": "KWD", "levels": ["0.025"]}],
            "minimum": [{"currency": "CNY", "amount": "0.05"}],
        },
    ],
    "targets": [{"reward": "monthly", "currency": "JPY", "target": "10000", "bonus": "200"}],
}


def terms(**changes: Any) -> Terms:
    return terms_of(RuleDocument.model_validate_json(json.dumps({**FULL, **changes})))


def test_rates_become_millionths_and_amounts_minor_units() -> None:
    assert terms() == Terms(
        title="Everything",
        market="cn",
        pool_rate_ppm=250_000,
        plans=(
            Unilevel(
                "direct",
                (100_000, 1),
                overrides=(Override((50_000,), product_id=5), Override((100_000, 20_000), category_id=7, tier="gold")),
                compression=True,
                conditions=Conditions(False, {"CNY": 10_000, "JPY": 2_000}, (7,), (5, 6)),
                caps=Caps({"CNY": 123}, {"CNY": 200}, {"KWD": 1}, {"CNY": 400, "JPY": 5}),
                minimum={"CNY": 1},
            ),
            Differential("ranks", {"silver": 30_000, "gold": 50_000}, 10_000, 5),
            TeamBonus("teams", 20_000, own_sales=True),
            Fixed("units", {"CNY": (50, 20), "KWD": (25,)}, minimum={"CNY": 5}),
        ),
        hold_days=0,
        targets=(SalesTarget("monthly", "JPY", 10_000, 200),),
    )


def with_amount(*place: str | int, amount: str) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(FULL))
    holder: Any = changed
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = amount
    return changed


PLACES: list[tuple[str | int, ...]] = [
    ("plans", 0, "conditions", "own_sales_min", 1, "amount"),
    ("plans", 0, "caps", 4, "amount"),
    ("plans", 0, "minimum", 0, "amount"),
    ("plans", 3, "amounts", 1, "levels", 0),
    ("targets", 0, "target"),
    ("targets", 0, "bonus"),
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_an_amount_finer_than_its_currency_is_refused_at_its_place(place: tuple[str | int, ...]) -> None:
    document = RuleDocument.model_validate(with_amount(*place, amount="0.0001"))

    with pytest.raises(MoneyError, match=rf"^{'.'.join(map(str, place))}: 0.0001 has more decimals than"):
        terms_of(document)


def test_the_digest_depends_on_the_terms_not_on_their_notation() -> None:
    rewritten = json.loads(json.dumps(FULL))
    rewritten["pool_rate"] = 0.25
    rewritten["plans"][1]["rates"] = {"gold": "0.050", "silver": "0.03"}

    assert digest_of(terms()) == digest_of(terms_of(RuleDocument.model_validate_json(json.dumps(rewritten))))
    assert digest_of(terms()) == "6ff616c1bf034640b2453d2024e5ba6877f7b24629886ffb8a67dc27d2f00fbd"


CHANGES: list[dict[str, Any]] = [
    {"title": "Other"},
    {"market": "default"},
    {"pool_rate": "0.26"},
    {"hold_days": 1},
    {"targets": []},
    {"plans": FULL["plans"][:3]},
    {"plans": [FULL["plans"][1], FULL["plans"][0], *FULL["plans"][2:]]},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_other_terms_have_another_digest(change: dict[str, Any]) -> None:
    assert digest_of(terms(**change)) != digest_of(terms())


def test_a_rule_set_survives_storage() -> None:
    codec = Codec(RuleSet, key="rule_version")
    rules = RuleSet(1, "proposed", digest_of(terms()), terms(), "li.na")

    again = codec.to_entity(codec.to_document(rules))

    assert again == rules
    assert digest_of(again.terms) == rules.digest


@given(st.integers(0, 1_000_000))
def test_a_rate_of_the_document_is_exact(ppm: int) -> None:
    plan = {"plan": "team_bonus", "name": "t", "rate": f"{ppm // 1_000_000}.{ppm % 1_000_000:06d}"}
    document = RuleDocument.model_validate({"title": "T", "pool_rate": "1", "plans": [plan]})

    assert terms_of(document).plans == (TeamBonus("t", ppm),)
