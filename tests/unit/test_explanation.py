"""An explanation shows the booked figures, adds up to them, and lists everyone whom a plan considered."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.commissions.view import AfterSale, Earned
from contracts.explanation.commission_sentences import Section, sentences_of, why_nothing
from contracts.explanation.explained import OrderFacts
from contracts.explanation.explanation import explain
from contracts.orders.view import Line
from contracts.plans.calculation import Earner
from contracts.rules.view import Caps, Conditions, Unilevel
from tests.unit.booked import (
    LEADER,
    LEVELS,
    NOON,
    SELLER,
    SPONSOR,
    TEAM,
    TIERED,
    UNITS,
    an_order,
    an_upline,
    booked,
    explained_text,
    refunded,
    terms,
    text_of,
)


class TestPaid:
    def test_the_base_the_rate_and_the_remainder_are_stated(self) -> None:
        text = explained_text(an_order(), terms(LEVELS))

        assert "The customer paid 60.00 CNY − 5.30 CNY discount = 54.70 CNY" in text
        assert (
            "Distributor 3 (the seller, tier standard) gets 2.74 CNY from “direct” (commission by level): "
            "5 % of 54.70 = 2.735; the shares of a line are rounded together, and 0.01 of the remainder "
            "fell to this one."
        ) in text
        assert "Distributor 2 (level 2, tier silver) gets 1.64 CNY" in text
        assert "the remainder fell to other shares" in text
        assert "It pays 4.38 CNY out of a pool of 10.94 CNY; the other 6.56 CNY stay with the platform." in text
        assert (
            "“direct” (commission by level) gives nothing to 1 (level 3): the plan does not reach this level." in text
        )

    def test_the_same_in_chinese(self) -> None:
        text = explained_text(an_order(), terms(LEVELS), language="zh")

        assert "顾客实付 60.00 CNY − 优惠 5.30 CNY = 54.70 CNY，比例佣金以此为基数。" in text
        assert (
            "分销商 3（本单销售者，等级 standard）获“direct”层级佣金 2.74 CNY：54.70 x 5% = 2.735；"
            "同行各份额一并取整，尾差 0.01 归此份。"
        ) in text
        assert "“direct”层级佣金未发放给1（第 3 级）：该方案不计算到此层级。" in text
        assert "状态 已付款" in text

    def test_a_whole_share_does_not_mention_rounding(self) -> None:
        text = explained_text(an_order(Line(1, 501, 7, 1, 10_000, 0)), terms(LEVELS))

        assert "5 % of 100.00 = 5.00." in text
        assert "rounded" not in text
        assert "The customer paid 100.00 CNY; percentages" in text

    def test_a_difference_a_peer_and_a_first_tier_are_explained(self) -> None:
        order = an_order(Line(1, 501, 7, 1, 10_000, 0), upline=an_upline("silver", "silver", "gold"))
        text = explained_text(order, terms(TIERED))

        assert "tier silver has 4 %, nothing of it goes to tiers below, 4 % of 100.00 = 4.00" in text
        assert "no more than the one below it, which earns the peer bonus of 0.5 % of 100.00 = 0.50" in text
        assert "tier gold has 6 %, 4 % go to tiers below, the difference is 2 % of 100.00 = 2.00" in text

    def test_a_team_bonus_and_a_fixed_amount_are_explained(self) -> None:
        order = an_order(leader=Earner(0, LEADER, "gold", True))
        text = explained_text(order, terms(TEAM, UNITS))

        assert "Distributor 9 (the team's leader, tier gold) gets 0.55 CNY from “team” (team bonus)" in text
        assert "from “units” (fixed amount per unit): 0.50 x 2 units = 1.00." in text

    @pytest.mark.parametrize(
        ("caps", "earned", "words"),
        [
            (Caps(entry={"CNY": 200}), Earned(), "; the cap is 2.00 CNY per line"),
            (Caps(order={"CNY": 400}), Earned(), "; of the cap of 4.00 CNY per order, 2.74 CNY were used on earlier"),
            (
                Caps(day={"CNY": 400}),
                Earned(day_minor={"direct": {SELLER: 300}}),
                "; of the cap of 4.00 CNY per day, 3.00 CNY were used before",
            ),
            (
                Caps(month={"CNY": 500}),
                Earned(month_minor={"direct": {SELLER: 10}}),
                "; of the cap of 5.00 CNY per month, 2.84 CNY were used before",
            ),
        ],
        ids=["entry", "order", "day", "month"],
    )
    def test_the_cap_that_cut_a_share_is_stated(self, caps: Caps, earned: Earned, words: str) -> None:
        order = an_order(Line(1, 501, 7, 2, 6000, 530), Line(2, 502, 8, 1, 5470, 0))

        assert words in explained_text(order, terms(replace(LEVELS, caps=caps)), earned)

    def test_the_pool_that_cut_a_share_is_stated(self) -> None:
        text = explained_text(an_order(), terms(LEVELS, UNITS, pool_rate_ppm=100_000))
        assert "cut to what other shares had left of the line's pool of 5.47 CNY" in text


class TestUnpaid:
    @pytest.mark.parametrize(
        ("plan", "order", "earned", "words"),
        [
            (LEVELS, an_order(upline=an_upline("gold", "gold", inactive=(2,))), None, "2 (level 2): not active when"),
            (TIERED, an_order(), None, "the seller, 3: the plan has no rate for tier standard"),
            (
                replace(TIERED, peer_rate_ppm=0),
                an_order(upline=an_upline("gold", "silver")),
                None,
                "2 (level 2): the rate of tier silver is not above the highest one that is paid below",
            ),
            (
                replace(LEVELS, conditions=Conditions(own_sales_min={"CNY": 10_000})),
                an_order(),
                Earned(own_sales_minor={SELLER: 100, SPONSOR: 200}),
                "the seller, 3: own sales of the month were 55.70 CNY, and the plan requires 100.00 CNY",
            ),
            (TEAM, an_order(), None, "“team” (team bonus) pays no one: the seller was in no team."),
            (TEAM, an_order(leader=Earner(0, SELLER, "gold", True)), None, "the team's leader, 3: leaders get no"),
            (
                replace(LEVELS, conditions=Conditions(products=(1,))),
                an_order(),
                None,
                "2 (level 2), 1 (level 3): the plan does",
            ),
            (replace(LEVELS, minimum={"CNY": 200}), an_order(), None, "below the plan's minimum of 2.00 CNY"),
            (replace(LEVELS, caps=Caps(entry={"CNY": 0})), an_order(), None, "the cap per line is 0.00 CNY"),
            (
                replace(LEVELS, caps=Caps(month={"CNY": 500}, day={"CNY": 900})),
                an_order(),
                Earned(month_minor={"direct": {SELLER: 500}}),
                "the cap of 5.00 CNY per month was reached, 5.00 CNY were paid before",
            ),
            (
                replace(LEVELS, caps=Caps(day={"CNY": 500})),
                an_order(),
                Earned(day_minor={"direct": {SELLER: 700}}),
                "the cap of 5.00 CNY per day was reached, 7.00 CNY were paid before",
            ),
            (
                Unilevel("direct", (200_000, 30_000)),
                an_order(),
                None,
                "2 (level 2): nothing was left of the line's pool",
            ),
            (LEVELS, an_order(Line(1, 501, 7, 1, 8, 0)), None, "2 (level 2): the share came to less than 0.01"),
        ],
    )
    def test_every_reason_is_explained(self, plan: Any, order: OrderFacts, earned: Earned | None, words: str) -> None:
        assert words in explained_text(order, terms(plan), earned)

    def test_a_distributor_unpaid_on_every_line_is_listed_once(self) -> None:
        order = an_order(Line(1, 501, 7, 2, 6000, 530), Line(2, 502, 8, 1, 5470, 0))
        only_tea = replace(LEVELS, conditions=Conditions(products=(501,)))

        text = explained_text(order, terms(only_tea, TIERED))

        assert text.count("the plan has no rate for tier standard") == 1
        assert text.count("the plan does not cover this") == 1
        assert text.index("the plan does not cover this") < text.index("Who gets nothing on any line")

    def test_an_unknown_cap_is_explained_without_figures(self) -> None:
        order, rules = an_order(), terms(replace(LEVELS, caps=Caps(month={"CNY": 500})))
        commission = booked(order, rules, Earned(month_minor={"direct": {SELLER: 500}}))

        text = text_of(explain(order, replace(commission, earned=Earned()), rules))

        assert "gives nothing to the seller, 3: the cap was reached." in text


class TestLaterChanges:
    def test_a_clawback_is_listed_by_refund_distributor_and_entry(self) -> None:
        order = an_order(Line(1, 501, 7, 2, 6000, 530, refunded_quantity=1, refunded_minor=2735))
        rules = terms(LEVELS)
        explanation = explain(order, refunded(booked(order, rules), parts=1, of=2), rules)
        text = text_of(explanation)

        assert "Given back so far: 1 of 2 units, 27.35 CNY of 54.70 CNY." in text
        assert "1.37 CNY of it was taken back, 1.37 CNY is left." in text
        assert "Distributor 3: 2.74 CNY − 1.37 CNY taken back = 1.37 CNY." in text
        assert (
            "2026-11-02 12:00 UTC: refund refund-1 took back 2.19 CNY of what was held: distributor 3 1.37 CNY, "
            "distributor 2 0.82 CNY."
        ) in text
        assert explanation.remaining_minor == 219
        assert "2.19 CNY are held. The hold period of 7 days starts when the customer has the goods." in text
        assert "退款 refund-1 从冻结佣金中扣回 2.19 CNY：分销商 3 1.37 CNY、分销商 2 0.82 CNY。" in text_of(
            explanation, "zh"
        )

    def test_a_cancellation_leaves_nothing(self) -> None:
        order, rules = an_order(status="cancelled"), terms(LEVELS)
        commission = refunded(booked(order, rules), parts=1, of=1, reference="cancelled", reason="cancelled_by_shop")
        text = text_of(explain(order, commission, rules))

        assert "the cancellation took back 4.38 CNY of what was held" in text
        assert "Nothing is left of it: everything was taken back." in text

    def test_a_refund_too_small_for_a_unit_takes_back_nothing(self) -> None:
        order, rules = an_order(), terms(LEVELS)
        text = text_of(explain(order, refunded(booked(order, rules), parts=1, of=50_000), rules))

        assert "refund refund-1 took back nothing: no share falls by 0.01 because of it." in text

    @pytest.mark.parametrize(
        ("fields", "english", "chinese"),
        [
            ({}, "4.38 CNY are held. The hold period of 7 days starts", "顾客收货后起算 7 天持有期"),
            (
                {"completed_at": NOON, "release_at": NOON + timedelta(days=7)},
                "4.38 CNY are held until 2026-11-09 12:00 UTC, 7 days after the customer had the goods",
                "4.38 CNY 冻结至 2026-11-09 12:00 UTC，即顾客收货（2026-11-02 12:00 UTC）后 7 天持有期满。",
            ),
            (
                {"completed_at": NOON, "release_at": NOON + timedelta(days=8)},
                "held until 2026-11-10 12:00 UTC: the hold period ended while an after-sale was open",
                "持有期满时售后尚未结束",
            ),
            (
                {"completed_at": NOON, "after_sale": AfterSale(3, True, NOON)},
                "held: an after-sale has been open since 2026-11-02 12:00 UTC",
                "售后自 2026-11-02 12:00 UTC 起尚未结束",
            ),
            (
                {"completed_at": NOON, "status": "released", "released_at": NOON + timedelta(days=7)},
                "4.38 CNY have been available since 2026-11-09 12:00 UTC.",
                "4.38 CNY 已于 2026-11-09 12:00 UTC 解冻，可以使用。",
            ),
        ],
        ids=["not completed", "held", "held longer", "after-sale", "released"],
    )
    def test_the_hold_and_its_end_are_stated(self, fields: dict[str, Any], english: str, chinese: str) -> None:
        assert english in explained_text(an_order(), terms(LEVELS), **fields)
        assert chinese in explained_text(an_order(), terms(LEVELS), language="zh", **fields)

    def test_an_order_without_entries_holds_nothing(self) -> None:
        order = an_order(upline=an_upline("gold", inactive=(1,)))
        assert "There is nothing to hold: the order pays no one." in explained_text(order, terms(LEVELS))


class TestWithoutCommission:
    @pytest.mark.parametrize(
        ("order", "refusal", "english", "chinese"),
        [
            (None, None, "Order a/1 was not found.", "查无订单 a/1。"),
            (None, ("no_rules", "no rules hold."), "refused and pays no one: no rules hold (no_rules).", "未被受理"),
            (an_order(status="pending"), None, "is not paid, or its stock", "尚未付款"),
            (an_order(status="rejected", reason="short"), None, "rejected for lack of stock", "库存不足"),
            (
                an_order(status="cancelled", reason="x"),
                None,
                "cancelled before any commissions accrued",
                "计佣前已取消",
            ),
            (an_order(), None, "its commissions are not booked yet", "佣金尚未入账"),
        ],
    )
    def test_the_reason_is_a_sentence(self, order: OrderFacts | None, refusal: Any, english: str, chinese: str) -> None:
        assert english in why_nothing("a/1", order, refusal, "en")
        assert chinese in why_nothing("a/1", order, refusal, "zh")


def test_a_section_is_a_heading_and_its_sentences() -> None:
    order, rules = an_order(), terms(LEVELS)
    sections = sentences_of(explain(order, booked(order, rules), rules))

    assert [section.heading for section in sections] == [
        "",
        "Line 1: 2 x product 501",
        "Who gets what in all",
        "Held or available",
    ]
    assert isinstance(sections[0], Section)
