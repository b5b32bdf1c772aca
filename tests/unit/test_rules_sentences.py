"""A rule set as sentences for the person who approves it: complete in both languages."""

from __future__ import annotations

import string

import pytest

from contracts.explanation.rule_phrases import PHRASES, Language
from contracts.explanation.rule_sentences import sentences
from contracts.rules.view import (
    Caps,
    Conditions,
    Differential,
    Fixed,
    Override,
    SalesTarget,
    TeamBonus,
    Terms,
    Unilevel,
)

FULL = Terms(
    title="Everything",
    market="cn",
    pool_rate_ppm=250_000,
    plans=(
        Unilevel(
            "direct",
            (100_000, 0, 12_500),
            overrides=(
                Override((80_000,), category_id=8),
                Override((80_000,), category_id=7),
                Override((90_000,), product_id=5, tier="gold"),
                Override((95_000,), tier="gold"),
            ),
            conditions=Conditions(False, {"CNY": 10_000, "JPY": 2_000}, (7,), (5, 6)),
            caps=Caps({"CNY": 123}, {"CNY": 200}, {"KWD": 1}, {"CNY": 400}),
            minimum={"CNY": 1},
        ),
        Differential("ranks", {"gold": 50_000, "silver": 30_000}, 10_000, 5),
        TeamBonus("teams", 20_000),
        TeamBonus("leaders", 10_000, own_sales=True),
        Fixed("units", {"CNY": (50, 0)}, compression=True),
    ),
    hold_days=0,
    targets=(SalesTarget("monthly", "CNY", 1_000_000, 20_000),),
)


def test_english_sentences() -> None:
    assert sentences(FULL) == [
        "“Everything” is for market cn.",
        "An order line pays at most 25% of its net in all: its amount less its discount, without shipping and tax.",
        "The plans draw on this pool in their order; what a plan leaves goes to the next, and nothing beyond it is "
        "paid.",
        "Commissions are held from payment on, and released as soon as the order is completed.",
        "Plan 1, direct (unilevel): of a line's net, the seller gets 10%, the seller's sponsor nothing, 1.25% goes "
        "to level 3.",
        "Plan 1, direct: for categories 7, 8: the seller gets 8%; further levels get nothing.",
        "Plan 1, direct: for products 5, to earners of tier gold: the seller gets 9%; further levels get nothing.",
        "Plan 1, direct: for earners of tier gold: the seller gets 9.5%; further levels get nothing.",
        "Plan 1, direct: where several exceptions fit, the narrowest counts: product before category before neither, "
        "each time with the earner's tier before without.",
        "Plan 1, direct: an upline who does not qualify gets nothing, and the level stays unpaid.",
        "Plan 1, direct: it is for categories 7 and products 5, 6 only.",
        "Plan 1, direct: inactive distributors earn as well.",
        "Plan 1, direct: to earn, own paid sales of the calendar month (UTC) must reach 100.00 CNY or 2000 JPY.",
        "Plan 1, direct: one distributor gets at most 1.23 CNY from one line.",
        "Plan 1, direct: one distributor gets at most 2.00 CNY from one order.",
        "Plan 1, direct: one distributor gets at most 0.001 KWD from the orders of one day (UTC).",
        "Plan 1, direct: one distributor gets at most 4.00 CNY from the orders of one month (UTC).",
        "Plan 1, direct: a share that is below 0.01 CNY after caps and pool is not paid.",
        "Plan 2, ranks (differential): each tier has a rate (silver 3%, gold 5%), up to level 5. On each line an "
        "upline gets the difference between its own rate and the highest rate paid below it.",
        "Plan 2, ranks: the nearest upline with exactly the highest rate paid below it gets 1%, once for each rate.",
        "Plan 3, teams (team bonus): the leader of the seller's team gets 2% of a line's net, but not of what the "
        "leader sells.",
        "Plan 4, leaders (team bonus): the leader of the seller's team gets 1% of a line's net, also of what the "
        "leader sells.",
        "Plan 5, units (fixed): for each unit sold in CNY, the seller gets 0.50 CNY, the seller's sponsor nothing.",
        "Plan 5, units: an upline who does not qualify is passed over, and the next one above takes the level.",
        "Own paid net sales of 10000.00 CNY in a calendar month (UTC) earn the reward monthly of 200.00 CNY.",
    ]


def test_chinese_has_a_sentence_for_each_english_one() -> None:
    chinese = sentences(FULL, "zh")

    assert len(chinese) == len(sentences(FULL))
    assert chinese[4] == "方案1 direct（层级制）：按订单行净额，销售者本人得 10%、其推荐人得 无佣金、第 3 级得 1.25%。"
    assert chinese[-1] == "当月（UTC）本人已付款净销售额达到 10000.00 CNY 者，得奖励 monthly：200.00 CNY。"
    assert not [sentence for sentence in chinese if sentence[-1] != "。"]


def test_a_short_rule_set_has_few_sentences() -> None:
    short = Terms("Short", "default", 100_000, (Differential("ranks", {"gold": 100_000}),), 7)

    assert sentences(short)[2:] == [
        "Commissions are held from payment on, and released 7 days after the order is completed.",
        "Plan 1, ranks (differential): each tier has a rate (gold 10%), up to level 10. On each line an upline gets "
        "the difference between its own rate and the highest rate paid below it.",
    ]


@pytest.mark.parametrize("language", sorted(PHRASES))
def test_every_language_has_the_same_phrases_with_the_same_placeholders(language: Language) -> None:
    def placeholders(phrase: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(phrase) if name}

    found = {name: placeholders(phrase) for name, phrase in PHRASES[language].items()}
    assert found == {name: placeholders(phrase) for name, phrase in PHRASES["en"].items()}
