"""The engine against the oracle, to the cent and to the reason, on thousands of real baskets sold by a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import get_args

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.commissions.view import Earned
from contracts.plans.calculation import Sale, calculate
from contracts.rules.document import RuleDocument
from contracts.rules.terms import terms_of as terms_of_the_product
from contracts.rules.view import Limit, Reason, Terms
from tests.oracle.comparison import BothSides, books_of, differences, order_of, refund_differences, rules_of
from tests.oracle.conftest import BASKETS, Sold
from tests.oracle.documents import Document
from tests.oracle.oracle import Answer, Back, Order, recalculate
from tests.oracle.terms import terms_of
from tests.oracle.worlds import refunds_of
from tests.sampling import sampled
from tests.unit.test_calculation_properties import cases

IN_DOLLARS = 0.8
"""The share of baskets in their real currency; the others are sold in yen or in dinars."""

REFUNDED_SHARE = 0.3
SHOWN_MAX = 10
"""The number of differences that are printed; one bug tends to show in thousands of orders."""

CAME_UP = {
    *(f"orders in {currency}" for currency in ("USD", "JPY", "KWD")),
    *(f"plan {plan}" for plan in ("unilevel", "differential", "team_bonus", "fixed")),
    *(f"limit {limit}" for limit in get_args(Limit)),
    *(f"reason {reason}" for reason in get_args(Reason)),
    *(f"rates of {place}" for place in ("product+tier", "product", "category+tier", "category", "tier", "plan")),
    *("compressed", "difference", "peer", "team", "own sale"),
    *("a unit from rounding", "an inactive distributor is paid"),
    *("refunds", "refunds in part", "refunds of all", "refunds of several lines"),
    *("units limited by conditions", "own sales that suffice"),
    *("above an unpaid one", "after an unpaid peer", "cut below the minimum"),
}
"""The cases that must come up often; without them, agreement would mean nothing."""

OFTEN = sampled(24, whole=100)


class Comparison:
    """Runs both over the orders; counts the cases and collects the differences."""

    def __init__(self) -> None:
        self.came_up: Counter[str] = Counter()
        self.differences: list[str] = []
        self._dice = Random(2026)

    def sell(self, both: BothSides, order: Order) -> None:
        answer, outcome = both.recalculate(order)
        where = f"{both.title}, order {order['key']} in {order['currency']}"
        found = list(differences(order, answer, outcome))
        self._count(both, order, answer)
        if not found and self._dice.random() < REFUNDED_SHARE:
            for back in self._refunds(order):
                found += both.refund(order, answer, outcome, back)
        self.differences += [f"{where}, {difference}" for difference in found]

    def _refunds(self, order: Order) -> Iterator[Back]:
        """The sums after each of some refunds of some lines."""
        back: Back = {}
        for line in self._dice.sample(order["lines"], min(3, len(order["lines"]))):
            for sums in refunds_of(line, self._dice):
                back[line["line"]] = sums
                all_back = sums == (line["net_minor"], line["quantity"])
                self.came_up["refunds"] += 1
                self.came_up["refunds of all" if all_back else "refunds in part"] += 1
                self.came_up["refunds of several lines"] += len(back) > 1
                yield dict(back)

    def _count(self, both: BothSides, order: Order, answer: Answer) -> None:
        plans = {plan["name"]: plan for plan in both.rules["plans"]}
        inactive = {person["distributor_id"] for person in order["chain"] if not person["active"]}
        self.came_up["orders"] += 1
        self.came_up[f"orders in {order['currency']}"] += 1
        self.came_up["lines"] += len(order["lines"])
        self.came_up["entries"] += len(answer.entries)
        for key in answer.entries:
            plan = plans[key[1]]
            self.came_up[f"plan {plan['plan']}"] += 1
            self.came_up[f"limit {answer.limited_by[key] or 'none'}"] += 1
            self.came_up["a unit from rounding"] += answer.rounding[key]
            self.came_up["an inactive distributor is paid"] += key[3] in inactive
            self.came_up["units limited by conditions"] += bool(plan["categories"] or plan["products"])
            self.came_up["own sales that suffice"] += order["currency"] in plan["own_sales_min"]
            self.came_up.update(filter(None, answer.basis[key].split(", ")))
        self.came_up.update(f"reason {reason}" for reason in answer.unpaid.values())
        self.came_up["cut below the minimum"] += len(answer.cut_below_minimum)


@pytest.fixture(scope="module")
def compared(sold: Sold) -> Comparison:
    """Each basket under one rule set: half under those written by hand, half under those drawn by a seed."""
    by_hand, by_seed = [BothSides(one) for one in sold.by_hand], [BothSides(one) for one in sold.by_seed]
    comparison, dice = Comparison(), Random(4)
    for number in range(BASKETS):
        currency = "USD" if dice.random() < IN_DOLLARS else dice.choice(("JPY", "KWD"))
        comparison.sell(dice.choice(by_hand if number % 2 else by_seed), sold.order(number, currency))
    print(*(f"{count:>10,}  {what}" for what, count in sorted(comparison.came_up.items())), sep="\n")  # noqa: T201
    return comparison


def test_the_engine_agrees_with_the_oracle(compared: Comparison) -> None:
    shown = "\n".join(compared.differences[:SHOWN_MAX])
    assert not compared.differences, f"{len(compared.differences):,} differences, for example:\n{shown}"


def test_every_feature_of_a_rule_set_was_compared(compared: Comparison) -> None:
    assert compared.came_up["orders"] == BASKETS
    assert {what: compared.came_up[what] for what in sorted(CAME_UP) if compared.came_up[what] < OFTEN} == {}


# A busy machine does not fail it.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases(), st.randoms(use_true_random=False))
def test_they_agree_on_unrealistic_rules_and_sales(case: tuple[Terms, Sale, Earned], dice: Random) -> None:
    """Narrow caps, minima and pools, few tiers and small amounts: cases that are rare with real baskets."""
    terms, sale, earned = case
    assume(sale.lines)
    order = order_of(sale)
    answer = recalculate(rules_of(terms), order, books_of(earned))

    outcome = calculate(terms, sale, earned)
    assert list(differences(order, answer, outcome)) == []
    back = {line["line"]: next(refunds_of(line, dice)) for line in order["lines"]}
    assert list(refund_differences(rules_of(terms), order, answer, outcome, back)) == []


def test_the_product_reads_the_same_terms_from_the_documents(sold: Sold) -> None:
    """A drawn rule set may promise more than its pool, which the product refuses to publish; most do not."""
    published = [RuleDocument.model_validate(document) for document in sold.by_hand]
    assert [terms_of_the_product(document) for document in published] == [terms_of(one) for one in sold.by_hand]
    terms = {document["title"]: _published(document) for document in sold.by_seed}
    for document in sold.by_seed:
        assert terms[document["title"]] in (None, terms_of(document))
    assert sum(map(bool, terms.values())) >= len(sold.by_seed) // 2


def _published(document: Document) -> Terms | None:
    try:
        return terms_of_the_product(RuleDocument.model_validate(document))
    except ValidationError:
        return None
