"""A statement in words: its figures, its two sums, and what becomes of the gross."""

from __future__ import annotations

import string
from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.explanation.rule_phrases import Language
from contracts.explanation.statement_phrases import PHRASES
from contracts.explanation.statement_sentences import (
    LineTotals,
    StatementMismatch,
    StatementWords,
    check,
    dates_sentence,
    time_left_sentence,
)
from contracts.settlement.view import OpenPeriod
from tests.unit.statements import CLOSED_AT, ENDS_AT, LINES, STARTS_AT, a_posting, a_statement, carried

PERIOD = OpenPeriod("2026-10", STARTS_AT, ENDS_AT, CLOSED_AT, "Asia/Shanghai", 1)


def test_the_worked_example_prints_both_sums_and_its_tax() -> None:
    words = StatementWords(a_statement(), "en")

    assert words.sums() == (
        "Opening 0.00 + lines 5000.00 = gross 5000.00",
        "Gross 5000.00 = payable 4200.00 + tax 800.00 + fees 0.00 + carried 0.00",
    )
    assert list(words.sentences()) == [
        "4200.00 CNY is payable to you.",
        "Tax by cn_labour of 2019: the gross of 2026-11 is 5000.00 so far, 0.00 was withheld before, 800.00 is "
        "withheld now.",
    ]
    assert words.heading() == (
        "No. 17 of market default; distributor 2; CNY; terms 1.",
        "Period 2026-10: from 2026-10-01 00:00 to 2026-11-01 00:00, Asia/Shanghai. Closed on 2026-11-01 06:00.",
    )
    figures = dict(words.figures())
    assert (figures["Commissions taken back"], figures["Outcome"]) == ("-200.00", "payable")


@pytest.mark.parametrize(
    ("statement", "english", "chinese"),
    [
        (carried(-15_000, outcome="carried_negative"), "You owe 150.00 CNY; your next earnings make up", "您欠 150.00"),
        (
            carried(6_210, outcome="below_minimum"),
            "62.10 of 100.00 CNY: it is carried",
            "62.10 CNY，未达到起付金额 100.00",
        ),
        (
            carried(300, outcome="below_minimum", minimum_minor=0),
            "3.00 CNY is not more than tax and fees",
            "3.00 CNY 不足以支付税款和手续费",
        ),
        (carried(0, outcome="nothing"), "There is nothing to pay", "本期无应付款"),
        (a_statement(), "4200.00 CNY is payable to you.", "应付给您 4200.00 CNY。"),
    ],
)
def test_each_outcome_has_a_sentence(statement: object, english: str, chinese: str) -> None:
    assert isinstance(statement, type(a_statement()))
    assert next(StatementWords(statement, "en").sentences()).startswith(english)
    assert next(StatementWords(statement, "zh").sentences()).startswith(chinese)


def test_what_came_back_is_stated() -> None:
    statement = a_statement(released_minor=20_000, returned_minor=500_000)

    assert "5000.00 CNY could not be paid to you" in list(StatementWords(statement, "en").sentences())[1]
    assert "有 5000.00 CNY 未能付给您" in list(StatementWords(statement, "zh").sentences())[1]
    assert dict(StatementWords(statement, "en").figures())["Payouts that came back"] == "5000.00"


def test_a_final_statement_and_late_lines_are_stated() -> None:
    sentences = list(StatementWords(a_statement(is_final=True, late_minor=-20_000, by="ann"), "en").sentences())

    assert sentences[1:3] == [
        "This is a final statement: the minimum does not apply.",
        "-200.00 CNY of the lines belongs to earlier periods, which were closed already.",
    ]
    assert StatementWords(a_statement(by="ann"), "en").heading()[1].endswith("06:00 by ann.")


def test_what_is_not_closed_yet_is_stated_so() -> None:
    first, tax = StatementWords(a_statement(), "zh").sentences_so_far()

    assert first == "按目前已入账的内容：应付给您 4200.00 CNY。"
    assert tax.startswith("按 cn_labour")


@pytest.mark.parametrize("field", ["opening_minor", "released_minor", "gross_minor", "payable_minor", "fees_minor"])
def test_figures_that_do_not_add_up_are_an_error(field: str) -> None:
    statement = a_statement()
    wrong = a_statement(**{field: getattr(statement, field) + 1})

    with pytest.raises(StatementMismatch, match="do not add up"):
        check(wrong)
    with pytest.raises(StatementMismatch):
        StatementWords(wrong, "en")


@pytest.mark.parametrize(
    "lines", [LINES[:2], (*LINES, a_posting("shop-1/D", 0)), (*LINES[:2], a_posting("shop-1/C", -19_999))]
)
def test_lines_that_are_not_the_statements_are_an_error(lines: tuple[object, ...]) -> None:
    totals = LineTotals()
    for line in lines:
        totals.add(line)  # type: ignore[arg-type]

    with pytest.raises(StatementMismatch, match="has 3 lines of 500000 minor units"):
        totals.check(a_statement())


def test_a_line_has_local_time_order_and_earlier_period() -> None:
    words = StatementWords(a_statement(), "zh")

    assert words.line(a_posting("shop-1/A", 5, late_from="2026-09")) == (
        *("2026-10-31 23:59", "佣金解冻", "shop-1/A", "A", "2026-09", "0.05"),
    )
    assert words.line(replace(a_posting("shop-1/A", 5), order=None))[2] == ""
    assert len(words.columns()) == 6


@pytest.mark.parametrize(
    ("before", "left"),
    [
        (timedelta(hours=3, minutes=12), "3 h 12 min"),
        (timedelta(days=2, hours=1), "2 d 1 h 0 min"),
    ],
)
def test_a_period_that_is_not_over_states_when_it_ends(before: timedelta, left: str) -> None:
    assert time_left_sentence("default", PERIOD, "en", ENDS_AT - before) == (
        f"2026-10 of market default ends 2026-11-01 00:00 Asia/Shanghai; {left} from now."
    )


def test_a_period_that_is_over_states_when_it_closes() -> None:
    assert time_left_sentence("default", PERIOD, "en", ENDS_AT).endswith(
        "ended 2026-11-01 00:00 Asia/Shanghai; it closes 2026-11-01 06:00."
    )
    assert dates_sentence("default", PERIOD, "zh") == (
        "市场 default 的账期 2026-10 于 2026-11-01 00:00 结束，2026-11-01 06:00 关账（Asia/Shanghai）。"
    )


@pytest.mark.parametrize("language", sorted(PHRASES))
def test_every_language_has_the_same_phrases_and_placeholders(language: Language) -> None:
    def placeholders(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    found = {key: placeholders(text) for key, text in PHRASES[language].items()}
    assert found == {key: placeholders(text) for key, text in PHRASES["en"].items()}
