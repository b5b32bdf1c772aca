"""The rule book: a version is published once and never changes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from contracts.decision import Decision
from contracts.rules.v1 import CategoryRates, PublishRules, RulesPublished, RulesRefused, SalesTarget
from tests.builders import JOINED, TEAS, a_target, message, rules
from workers.rule_book.decide import publish
from workers.rule_book.model import RuleBook

TARGET = SalesTarget(reward="monthly_sales", currency="CNY", target=Decimal("100"), bonus=Decimal("5.00"))


def wish(**fields: Any) -> PublishRules:
    given: dict[str, Any] = {
        "rule_version": 1,
        "effective_from": JOINED,
        "rates": (Decimal("0.1"), Decimal("0.05"), Decimal("0.03")),
        "pool_rate": Decimal("0.2"),
        **fields,
    }
    return PublishRules(**given)


def refused(reason: str, detail: str, book: RuleBook) -> Decision[RuleBook]:
    return Decision(book, (RulesRefused(rule_version=1, reason=reason, detail=detail),), "refused")


def test_a_version_is_kept_in_parts_per_million_and_minor_units() -> None:
    categories = (CategoryRates(category_id=TEAS, rates=(Decimal("0.000001"), Decimal("0.15"))),)
    full = wish(categories=categories, targets=(TARGET,))
    kept = rules(1, categories={TEAS: (1, 150_000)}, targets=(a_target(target_minor=10_000, bonus_minor=500),))
    event = RulesPublished(rule_version=1, effective_from=JOINED)

    assert publish(RuleBook(), message(full)) == Decision(RuleBook({1: kept}), (event,), "published")


def test_versions_stand_beside_each_other() -> None:
    book = RuleBook({1: rules(1)})

    assert publish(book, message(wish(rule_version=2))).state == RuleBook({1: rules(1), 2: rules(2)})


def test_the_same_content_again_changes_nothing() -> None:
    once = publish(RuleBook(), message(wish())).state

    assert publish(once, message(wish(), id="resent")) == Decision(once, outcome="unchanged")


@pytest.mark.parametrize("changed", [wish(pool_rate=Decimal("0.3")), wish(targets=(TARGET,))])
def test_a_published_version_never_changes(changed: PublishRules) -> None:
    book = RuleBook({1: rules(1)})
    detail = "rule_version: 1 is published and never changes; take the next number."

    assert publish(book, message(changed)) == refused("conflict", detail, book)


@pytest.mark.parametrize("field", ["target", "bonus"])
def test_a_target_that_its_currency_cannot_express_is_refused(field: str) -> None:
    broken = TARGET.model_copy(update={field: Decimal("0.001")})
    detail = "targets: 0.001 has more decimals than CNY allows (2)."

    assert publish(RuleBook(), message(wish(targets=(broken,)))) == refused("amount_precision", detail, RuleBook())
