"""For any order and rules, the explanation and its sentences add up and omit no one."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from string import Formatter
from typing import Any, get_args

import pytest

from contracts.commissions.view import Commission
from contracts.explanation.commission_phrases import CHINESE, ENGLISH, STATUSES_IN_CHINESE
from contracts.explanation.commission_sentences import sentences_of
from contracts.explanation.explained import as_object
from contracts.explanation.explanation import explain
from contracts.money import to_amount
from contracts.orders.view import Line
from contracts.plans.calculation import Earner
from contracts.rules.view import Reason
from tests.unit.booked import (
    LEVELS,
    an_order,
    any_commission,
    booked,
    refunded,
    terms,
)


class TestSums:
    @pytest.mark.parametrize("seed", range(150))
    def test_lines_distributors_and_totals_add_up_and_no_one_is_omitted(self, seed: int) -> None:
        order, rules, commission = any_commission(seed)

        explanation = explain(order, commission, rules)

        shown = Counter({(p.line, p.distributor_id): 0 for line in explanation.lines for p in line.parts})
        for line in explanation.lines:
            assert sum(part.amount_minor for part in line.paid) == line.paid_minor <= line.pool_minor
            for part in line.parts:
                shown[part.line, part.distributor_id] += part.amount_minor
            expected = Counter(
                (plan.name, earner.level)
                for plan in rules.plans
                for earner in (order.upline if plan.plan != "team_bonus" else (order.leader or Earner(0, 0, "", True),))
            )
            assert Counter((part.plan, part.level) for part in line.parts) == expected
        entries = Counter[tuple[int, int]]()
        for entry in commission.entries:
            entries[entry.line, entry.distributor_id] += entry.amount_minor
        assert +shown == entries
        assert sum(person.amount_minor for person in explanation.people) == commission.total_minor
        assert explanation.remaining_minor == sum(commission.remaining_minor())
        for line in explanation.lines:
            for part in line.paid:
                exact = part.exact_numerator // 1_000_000
                assert part.cut_to_minor <= exact if part.limited_by else part.cut_to_minor == exact

    @pytest.mark.parametrize("seed", range(0, 150, 5))
    @pytest.mark.parametrize("language", ["en", "zh"])
    def test_the_sentences_add_up_as_well(self, seed: int, language: Any) -> None:
        """The figures are parsed from the text, as in a check by hand."""
        order, rules, commission = any_commission(seed)
        sections = sentences_of(explain(order, commission, rules), language)
        pattern = r"gets ([0-9.]+) \w{3} from" if language == "en" else r"获“.*?”[^0-9]+ ([0-9.]+) \w{3}："

        amounts = [
            found[1] for section in sections for text in section.sentences if (found := re.search(pattern, text))
        ]

        assert amounts == [str(to_amount(entry.amount_minor, order.currency)) for entry in commission.entries]

    def test_more_lines_do_not_sum_up_the_reversals_more_often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An order may have 500 lines and twenty refunds, which took a minute to explain line by line."""
        calls: list[int] = []
        remaining_minor = Commission.remaining_minor

        def counted(commission: Commission) -> tuple[int, ...]:
            calls.append(len(commission.entries))
            return remaining_minor(commission)

        monkeypatch.setattr(Commission, "remaining_minor", counted)
        counts = []
        for seed in range(20):
            order, rules, commission = any_commission(seed)
            calls.clear()
            explain(order, commission, rules)
            counts.append(len(calls))
        assert set(counts) == {3}

    def test_figures_that_do_not_add_up_are_not_explained(self) -> None:
        order, rules = an_order(), terms(LEVELS)
        commission = booked(order, rules)
        elsewhere = replace(commission, entries=tuple(replace(entry, line=2) for entry in commission.entries))

        with pytest.raises((AssertionError, KeyError)):
            explain(order, elsewhere, rules)
        with pytest.raises(AssertionError, match="another base"):
            explain(an_order(Line(1, 501, 7, 2, 6000, 0)), commission, rules)


class TestForPrograms:
    def test_amounts_and_rates_are_decimal_strings(self) -> None:
        order, rules = an_order(), terms(LEVELS)
        plain = json.loads(json.dumps(as_object(explain(order, refunded(booked(order, rules), parts=1, of=2), rules))))

        first = plain["lines"][0]["parts"][0]
        assert (first["amount"], first["exact"], first["rate"], first["base"]) == ("2.74", "2.735", "0.05", "54.70")
        assert first["rounding"] == 1
        assert plain["lines"][0]["parts"][2]["reason"] == "beyond_last_level"
        assert plain["lines"][0]["paid"] == plain["total"] == "4.38"
        assert plain["people"][0] == {"distributor_id": 3, "amount": "2.74", "taken_back": "1.37", "remaining": "1.37"}
        assert plain["taken_back"][0]["shares"][0] == {"distributor_id": 3, "amount": "1.37"}
        assert plain["remaining"] == "2.19"

    @pytest.mark.parametrize(("currency", "exact"), [("JPY", "273.5"), ("KWD", "0.2735"), ("CNY", "2.735")])
    def test_the_exact_share_has_enough_digits(self, currency: str, exact: str) -> None:
        order, rules = an_order(currency=currency), terms(LEVELS)
        assert as_object(explain(order, booked(order, rules), rules))["lines"][0]["parts"][0]["exact"] == exact


class TestPhrases:
    def test_both_languages_have_the_same_phrases_with_the_same_figures(self) -> None:
        assert ENGLISH.keys() == CHINESE.keys()
        for name, english in ENGLISH.items():
            assert placeholders(CHINESE[name]) - placeholders(english) <= {"tier"}, name
            assert placeholders(english) - placeholders(CHINESE[name]) <= {"tier"}, name

    def test_every_reason_has_a_phrase(self) -> None:
        assert set(get_args(Reason)) <= ENGLISH.keys()

    def test_every_status_has_a_chinese_word(self) -> None:
        assert set(STATUSES_IN_CHINESE) >= {"paid", "shipped", "completed", "cancelled", "refunded"}


def placeholders(phrase: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(phrase) if name}
