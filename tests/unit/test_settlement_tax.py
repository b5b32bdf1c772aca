"""Withholding by table: the examples that anyone can check by hand."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.settlement.tax import TAX_RULES, Bracket, TaxTable, table_of, table_of_version, withhold

[LABOUR] = TAX_RULES["cn_labour"]


@pytest.mark.parametrize(
    ("gross", "due"),
    [
        (800_00, 0),
        (850_00, 10_00),
        (3_000_00, 440_00),
        (4_000_00, 640_00),
        (5_000_00, 800_00),
        (25_000_00, 4_000_00),
        (30_000_00, 5_200_00),
        (62_500_00, 13_000_00),
        (100_000_00, 25_000_00),
        (800_03, 1),
    ],
)
def test_remuneration_for_labour_services(gross: int, due: int) -> None:
    assert LABOUR.due_minor(gross) == due


def test_a_second_statement_of_the_month_withholds_the_difference() -> None:
    first = withhold(LABOUR, 0, 0, 3_000_00)
    second = withhold(LABOUR, 3_000_00, first, 2_000_00)

    assert (first, second) == (440_00, 360_00)


def test_more_than_is_due_is_not_given_back_here() -> None:
    assert withhold(LABOUR, 3_000_00, 1_000_00, 1_00) == 0


def test_a_table_without_an_open_end_withholds_nothing_beyond_it() -> None:
    assert TaxTable("1", date(2026, 1, 1), "CNY", (Bracket(10, 0, 1_000_000, 100_000),)).due_minor(11) == 0


def test_a_rule_is_for_its_currency_and_from_its_day_on() -> None:
    assert table_of("cn_labour", date(2026, 11, 1), "CNY") is LABOUR
    assert table_of("cn_labour", date(2026, 11, 1), "USD") is None
    assert table_of("cn_labour", date(2018, 12, 31), "CNY") is None
    assert table_of(None, date(2026, 11, 1), "CNY") is None


def test_a_stored_figure_finds_its_version() -> None:
    assert table_of_version("cn_labour", "2019", "CNY") is LABOUR
    assert table_of_version("cn_labour", "1999", "CNY") is None
    assert table_of_version("none_such", "2019", "CNY") is None


@given(st.lists(st.integers(1, 10**7), max_size=6))
def test_statements_of_a_month_withhold_together_what_one_would(parts: list[int]) -> None:
    gross = withheld = 0
    for part in parts:
        withheld += withhold(LABOUR, gross, withheld, part)
        gross += part

    assert withheld == LABOUR.due_minor(gross)
