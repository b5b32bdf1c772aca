"""The rule document: every error names its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from contracts.rules import json_schema
from contracts.rules.document import EXAMPLE, RuleDocument, errors_of, place_of
from contracts.rules.plans import LEVELS_MAX
from contracts.rules.v1 import ProposeRules
from contracts.wire.envelope import message_of
from contracts.wire.reading import Reader
from contracts.wire.refusal import Unreadable
from tests.builders import NOW

UNILEVEL = {"plan": "unilevel", "name": "direct", "rates": ["0.10", "0.05"]}
DIFFERENTIAL = {"plan": "differential", "name": "ranks", "rates": {"silver": "0.03", "gold": "0.05"}}
TEAM = {"plan": "team_bonus", "name": "teams", "rate": "0.02"}
FIXED = {"plan": "fixed", "name": "bottles", "amounts": [{"currency": "CNY", "levels": ["0.50", "0.20"]}]}
TARGET = {"reward": "monthly", "currency": "CNY", "target": "100", "bonus": "5"}
CNY = {"currency": "CNY", "amount": "1.00"}


def document(*plans: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return deepcopy({"title": "T", "pool_rate": "0.20", "plans": list(plans) or [UNILEVEL], **fields})


def errors_when_read(wrong: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        RuleDocument.model_validate_json(json.dumps(wrong))
    return [(place_of(place), error) for place, error in errors_of(caught.value)]


def places_of(wrong: dict[str, Any]) -> list[str]:
    return [place for place, _ in errors_when_read(wrong)]


def test_omitted_fields_have_defaults() -> None:
    rules = RuleDocument.model_validate(document())

    assert (rules.market, rules.hold_days, rules.targets) == ("default", 7, ())
    assert rules.plans[0].conditions.active


def test_the_example_and_every_plan_are_valid_and_fit_the_published_schema() -> None:
    validator = Draft202012Validator(json.loads(json_schema.text()))
    for rules in (dict(EXAMPLE), document(UNILEVEL, TEAM, FIXED), document(DIFFERENTIAL)):
        RuleDocument.model_validate_json(json.dumps(rules))
        validator.validate(rules)
    assert not validator.is_valid(document({**TEAM, "rates": ["0.1"]}))
    assert not validator.is_valid(document({"plan": "pyramid", "name": "x"}))


def test_the_published_schema_is_current() -> None:
    hint = "run `tributary rules schema --output docs/rules.schema.json`"
    assert json_schema.FILE.read_text("utf-8") == json_schema.text(), hint


TABLE: list[tuple[dict[str, Any], str]] = [
    (document(pool_rate="1.5"), "pool_rate"),
    (document(hold_days=366), "hold_days"),
    (document(hold_days="7"), "hold_days"),
    (document(market="Default"), "market"),
    (document(title=""), "title"),
    (document(tittle="x"), "tittle"),
    (document(plans=[]), "plans"),
    (document(UNILEVEL, {"plan": "pyramid"}), "plans.1"),
    (document(UNILEVEL, {}), "plans.1"),
    (document(UNILEVEL, "unilevel"), "plans.1"),  # type: ignore[arg-type]
    (document(UNILEVEL, {**UNILEVEL, "name": "b", "rates": ["0.01", "0.01", "1.5"]}), "plans.1.rates.2"),
    (document({**UNILEVEL, "rates": []}), "plans.0.rates"),
    (document({**UNILEVEL, "rates": ["0"] * (LEVELS_MAX + 1)}), "plans.0.rates"),
    (document({**UNILEVEL, "rates": ["0.0000001"]}), "plans.0.rates.0"),
    (document({**UNILEVEL, "name": "Direct sales"}), "plans.0.name"),
    (document({**UNILEVEL, "compresion": True}), "plans.0.compresion"),
    (document({**UNILEVEL, "overrides": [{"category_id": 7}]}), "plans.0.overrides.0.rates"),
    (document({**UNILEVEL, "overrides": [{"tier": "Gold", "rates": ["0.1"]}]}), "plans.0.overrides.0.tier"),
    (document({**UNILEVEL, "conditions": {"categories": [0]}}), "plans.0.conditions.categories.0"),
    (document({**UNILEVEL, "conditions": {"own_sales_min": [CNY, CNY]}}), "plans.0.conditions.own_sales_min"),
    (document({**UNILEVEL, "caps": [{"per": "week", **CNY}]}), "plans.0.caps.0.per"),
    (document({**UNILEVEL, "caps": [{"per": "day", **CNY}, {"per": "day", **CNY}]}), "plans.0.caps"),
    (document({**UNILEVEL, "minimum": [{"currency": "XYZ", "amount": "1"}]}), "plans.0.minimum.0.currency"),
    (document({**DIFFERENTIAL, "rates": {}}), "plans.0.rates"),
    (document({**DIFFERENTIAL, "levels_max": 31}), "plans.0.levels_max"),
    (document({**TEAM, "rate": "-0.1"}), "plans.0.rate"),
    (document({**FIXED, "amounts": FIXED["amounts"] * 2}), "plans.0.amounts"),  # type: ignore[operator]
    (document(UNILEVEL, UNILEVEL), "plans.1.name"),
    (document(targets=[TARGET, TARGET]), "targets.1"),
    (document({**UNILEVEL, "overrides": [{"rates": ["0.1"]}]}), "plans.0.overrides.0"),
    (
        document({**UNILEVEL, "overrides": [{"product_id": 1, "category_id": 7, "rates": ["0.1"]}]}),
        "plans.0.overrides.0",
    ),
    (
        document({**UNILEVEL, "overrides": [{"tier": "gold", "rates": ["0.1"]}, {"tier": "gold", "rates": ["0.2"]}]}),
        "plans.0.overrides.1",
    ),
    (document(UNILEVEL, {**TEAM, "rate": "0.21"}), "plans.1"),
    (document(UNILEVEL, {**TEAM, "rate": "0.06"}), "plans"),
]


@pytest.mark.parametrize(("wrong", "place"), TABLE, ids=lambda value: value if isinstance(value, str) else "")
def test_an_error_names_its_place(wrong: dict[str, Any], place: str) -> None:
    assert places_of(wrong) == [place]


def test_all_errors_are_reported_at_once() -> None:
    wrong = document({**UNILEVEL, "rates": ["2"]}, {"plan": "x"}, hold_days=-1)

    assert places_of(wrong) == ["hold_days", "plans.0.rates.0", "plans.1"]


def test_a_plan_beyond_the_pool_is_reported_with_its_rate_and_line() -> None:
    wrong = document({**UNILEVEL, "overrides": [{"category_id": 7, "rates": ["0.15", "0.06"]}]})

    error = "it may pay 0.21 of a line of category 7, more than pool_rate, 0.20"
    assert errors_when_read(wrong) == [("plans.0", error)]


def test_plans_beyond_the_pool_together_are_reported_with_their_parts() -> None:
    override = {"product_id": 5, "rates": ["0.17"]}
    wrong = document({**UNILEVEL, "overrides": [override]}, FIXED, {**TEAM, "rate": "0.04"})

    error = "together they may pay 0.21 of a line of product 5 (direct 0.17, teams 0.04), more than pool_rate, 0.20"
    assert errors_when_read(wrong) == [("plans", error)]


def test_plans_for_different_categories_are_not_added_up() -> None:
    tea = {**UNILEVEL, "rates": ["0.20"], "conditions": {"categories": [7]}}
    cups = {**tea, "name": "cups", "conditions": {"categories": [8]}}

    assert len(RuleDocument.model_validate(document(tea, cups)).plans) == 2


def test_too_many_kinds_of_lines_are_refused() -> None:
    def overrides(field: str) -> list[dict[str, Any]]:
        return [{field: number, "tier": "gold", "rates": [f"0.{number:06d}"]} for number in range(1, 301)]

    wrong = document({**UNILEVEL, "overrides": [*overrides("product_id"), *overrides("category_id")]})

    [(place, error)] = errors_when_read(wrong)
    assert place == "plans"
    assert "use fewer overrides by product or by category" in error


def test_an_invalid_proposal_names_the_place_in_the_document() -> None:
    wrong = {"rule_version": 1, "proposed_by": "li.na", "rules": document({**UNILEVEL, "rates": ["0.1", "1.5"]})}
    body = json.dumps(wrong).encode()

    [read] = Reader([ProposeRules]).read(
        body, content_type=None, routing_key=ProposeRules.message_type, received_at=NOW
    )

    assert isinstance(read, Unreadable)
    assert read.detail == "rules.plans.0.rates.1: Input should be less than or equal to 1 (got '1.5')"


@pytest.mark.parametrize("change", [lambda rules: rules["plans"].append(TEAM), lambda rules: None])
def test_a_document_survives_the_wire(change: Callable[[dict[str, Any]], None]) -> None:
    plain = document({**UNILEVEL, "rates": ["0.10", 0.05]})
    change(plain)
    command = ProposeRules(rule_version=1, proposed_by="li.na", rules=RuleDocument.model_validate(plain))
    message = message_of(ProposeRules)(id="1", source="s", type=command.message_type, time=NOW, data=command)

    assert message_of(ProposeRules).model_validate_json(message.to_bytes()) == message
    assert message.data.rules.plans[0].promised().rates_ppm == (100_000, 50_000)
    assert message.data.rules.pool_rate == Decimal("0.2")
