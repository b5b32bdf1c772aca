"""Every sentence of an explanation is true: its figures match the entries, and its reasons are checked separately."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from math import floor

from hypothesis import assume, given

from contracts.commissions.view import Earned
from contracts.explanation.commission_sentences import sentences_of
from contracts.explanation.explained import ExplainedLine, OrderFacts, Part
from contracts.explanation.explanation import explain
from contracts.explanation.rule_phrases import Language
from contracts.money import to_amount
from contracts.orders.view import Line
from contracts.plans.calculation import Earner, Sale
from contracts.rules.view import Conditions, Differential, Fixed, Terms, Unilevel
from tests.unit.booked import NOON, UNITS, an_order, an_upline, booked, explained_text, refunded, terms, text_of
from tests.unit.test_calculation_properties import cases

REMAINDER_PHRASES: dict[Language, tuple[str, str, str]] = {
    "en": ("of the remainder fell to this one", "the remainder fell to other shares", "; rounded down: the fractions"),
    "zh": ("归此份", "尾差归其他份额", "尾数舍去"),
}
TIER_PHRASES: dict[Language, tuple[str, str, str]] = {
    "en": ("nothing of it goes to tiers below", "go to tiers below, the difference", "no more than the one below it"),
    "zh": ("下方未得", "级差 ", "无级差，得平级奖"),
}


def order_of(sale: Sale) -> OrderFacts:
    lines = (Line(x.line, x.product_id, x.category_id, x.quantity, x.net_minor, 0) for x in sale.lines)
    return OrderFacts("shop-1/1", "paid", sale.currency, NOON, tuple(lines), sale.upline, sale.leader)


@given(cases())
def test_each_sentence_matches_its_entry(case: tuple[Terms, Sale, Earned]) -> None:
    rules, sale, earned = case
    assume(sale.lines)
    order = order_of(sale)
    explanation = explain(order, booked(order, rules, earned), rules)
    for language in REMAINDER_PHRASES:
        sections = [s for s in sentences_of(explanation, language) if s.heading.startswith(("Line", "第"))]
        for line, section in zip(explanation.lines, sections, strict=True):
            text = [sentence for sentence in section.sentences if re.search(r" gets |获“", sentence)]
            for part, sentence in zip(line.paid, text, strict=True):
                _assert_remainder(line, part, sentence, REMAINDER_PHRASES[language])
                _assert_tiers(rules, line, part, sentence, TIER_PHRASES[language])
                _assert_figures(part, sentence, sale.currency)
    for part in (part for line in explanation.lines for part in line.unpaid):
        _assert_reason(rules, part, sale.currency)


def _assert_remainder(line: ExplainedLine, part: Part, sentence: str, phrases: tuple[str, str, str]) -> None:
    """Only a rounded fraction has one of the three phrases, the true one; a cut share states its limit."""
    exact = Fraction(part.exact_numerator, 1_000_000)
    is_another_raised = any(other.rounding for other in line.paid)
    has_fraction = exact != floor(exact) and part.limited_by is None
    expected = (
        part.rounding == 1,
        part.rounding == 0 and has_fraction and is_another_raised,
        part.rounding == 0 and has_fraction and not is_another_raised,
    )
    assert tuple(phrase in sentence for phrase in phrases) == expected
    if expected[2] and line.order_line.line == 1 and all(other.limited_by is None for other in line.paid):
        fractions = [Fraction(other.exact_numerator, 1_000_000) % 1 for other in line.paid]
        assert sum(fractions) < Fraction(1, 2) or line.paid_minor == line.pool_minor


def _assert_tiers(rules: Terms, line: ExplainedLine, part: Part, sentence: str, phrases: tuple[str, str, str]) -> None:
    """The rate for tiers below is the highest that this plan paid below on this line."""
    plan = next(plan for plan in rules.plans if plan.name == part.plan)
    if not isinstance(plan, Differential):
        assert not any(phrase in sentence for phrase in phrases)
        return
    below = max(
        (
            plan.rates_ppm[other.tier]
            for other in line.parts
            if (other.plan, other.reason) in ((part.plan, None), (part.plan, "rounded_to_nothing"))
            and other.level < part.level
        ),
        default=0,
    )
    own = plan.rates_ppm[part.tier]
    assert part.rate_ppm == (plan.peer_rate_ppm if own == below else own - below)
    is_first, is_peer = below == 0, own == below
    assert tuple(phrase in sentence for phrase in phrases) == (is_first, not is_first and not is_peer, is_peer)
    if not is_first and not is_peer:
        percent = f"{Fraction(below, 10_000).limit_denominator()}" if below % 10_000 == 0 else f"{below / 10_000:.4f}"
        assert percent.rstrip("0").rstrip(".") in sentence or percent in sentence


def _assert_figures(part: Part, sentence: str, currency: str) -> None:
    """The amount, its base or unit, and a limit that leaves exactly the paid amount."""
    for minor in (part.amount_minor, part.unit_minor if part.kind == "fixed" else part.base_minor):
        assert str(to_amount(minor, currency)) in sentence
    if part.limited_by is not None:
        assert part.limit_minor is not None
        assert str(to_amount(part.limit_minor, currency)) in sentence
        if part.limited_by != "pool":
            assert part.amount_minor == part.limit_minor - part.drawn_minor
            assert Fraction(part.exact_numerator, 1_000_000) > part.amount_minor


def _assert_reason(rules: Terms, part: Part, currency: str) -> None:
    """The figures of a reason prove it."""
    plan = next(plan for plan in rules.plans if plan.name == part.plan)
    if part.reason == "cap_reached":
        assert part.limited_by is not None
        assert part.limit_minor == getattr(plan.caps, part.limited_by)[currency] <= part.drawn_minor
    elif part.reason == "own_sales_below_minimum":
        assert part.asked_minor == plan.conditions.own_sales_min[currency]
        assert (part.own_sales_minor or 0) < part.asked_minor
    elif part.reason == "below_minimum":
        assert part.limit_minor == plan.minimum[currency] > 0
    elif part.reason == "no_amount_in_currency":
        assert isinstance(plan, Fixed)
        assert currency not in plan.amounts_minor
    elif part.reason in ("no_team", "own_sale"):
        assert part.level == 0
    elif part.reason in ("tier_without_rate", "not_above_tiers_below"):
        assert isinstance(plan, Differential)
        assert (plan.rates_ppm.get(part.tier, 0) == 0) is (part.reason == "tier_without_rate")


class TestRemainder:
    def test_a_fraction_is_dropped_where_no_share_gets_a_unit(self) -> None:
        order = an_order(Line(1, 501, 7, 1, 5_449, 0), upline=an_upline("gold"))
        rules = terms(Unilevel("direct", (50_000,)))

        # 5 % of 54.49 are 272.45 cents.
        assert (
            "5 % of 54.49 = 2.7245; rounded down: the fractions so far do not come to another 0.01 within the line's "
            in explained_text(order, rules)
        )
        assert "尾数舍去：至此各份额的尾数合计，在本行佣金池内不足以再分出 0.01" in explained_text(
            order, rules, language="zh"
        )

    def test_the_second_of_two_equal_fractions_is_not_called_smaller(self) -> None:
        order = an_order(Line(1, 501, 7, 1, 30, 0), upline=an_upline("gold", "gold"))

        text = explained_text(order, terms(Unilevel("direct", (50_000, 50_000))))

        assert "gets 0.02 CNY" in text
        assert "gets 0.01 CNY" in text
        assert "larger" not in text


class TestReasons:
    def test_a_level_with_rate_0_is_not_beyond_the_plan(self) -> None:
        text = explained_text(an_order(), terms(Unilevel("direct", (50_000, 0))))

        assert "gives nothing to 2 (level 2): the plan pays 0 here." in text
        assert "gives nothing to 1 (level 3): the plan does not reach this level." in text

    def test_a_minimum_after_a_cap_is_explained(self) -> None:
        plan = Unilevel("direct", (50_000,), minimum={"CNY": 200})
        capped = replace(plan, caps=replace(plan.caps, entry={"CNY": 150}))

        text = explained_text(an_order(), terms(capped))

        assert "the seller, 3: the share, after caps and pool, is below the plan's minimum of 2.00 CNY." in text

    def test_a_fixed_plan_without_the_orders_currency_is_explained(self) -> None:
        order = an_order(currency="JPY")
        assert "the plan has no amounts in JPY." in explained_text(order, terms(UNITS))
        assert "该方案未设 JPY 的金额。" in explained_text(order, terms(UNITS), language="zh")
        elsewhere = replace(UNITS, conditions=Conditions(products=(1,)))
        assert "the plan does not cover this." in explained_text(order, terms(elsewhere))

    def test_an_unpaid_equal_tier_is_not_a_peer(self) -> None:
        plan = Differential("tiers", {"gold": 60_000}, peer_rate_ppm=5_000, minimum={"CNY": 1})
        capped = replace(plan, caps=replace(plan.caps, day={"CNY": 500}))
        order = an_order(Line(1, 501, 7, 1, 5_000, 0), upline=an_upline("gold", "gold"))

        text = explained_text(order, terms(capped), Earned(day_minor={"tiers": {3: 500}}))

        assert "Distributor 2 (level 2, tier gold) gets 3.00 CNY" in text
        assert "tier gold has 6 %, nothing of it goes to tiers below, 6 % of 50.00 = 3.00." in text

    def test_a_cancellation_without_entries_takes_back_nothing(self) -> None:
        order, rules = an_order(upline=(Earner(1, 3, "gold", False),)), terms(Unilevel("direct", (50_000,)))
        commission = refunded(booked(order, rules), parts=1, of=1, reference="cancelled", reason="cancelled_by_shop")

        text = text_of(explain(order, commission, rules))

        assert "the cancellation took back nothing: nothing was left." in text
