"""Conversion is exact, rounds in the house's favour, and never takes a rate of 1 for a missing one."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.exchange_rates.conversion import Converted, convert, rate_between, rate_of, spread_fee, to_minor
from contracts.money import MINOR_DIGITS

RATES = {"CNY": "7.8000", "USD": "1.0920", "JPY": "163.25", "KWD": "0.3342", "HUF": "391.7"}


def test_the_worked_example() -> None:
    """1000.00 CNY to USD with a spread of 0.5 %."""
    rate = rate_between("EUR", RATES, "CNY", "USD")
    assert rate == "1.0920/7.8000"
    assert rate_of(rate) == Fraction(14, 100)
    assert convert(1000_00, 5_000, rate, "CNY", "USD") == Converted(139_30, 5_00, rate)


@pytest.mark.parametrize(
    ("amount", "source", "target", "expected"),
    [
        (100_00, "EUR", "JPY", 16_325),
        (16_325, "JPY", "EUR", 100_00),
        (100_00, "EUR", "KWD", 33_420),
        (33_420, "KWD", "EUR", 100_00),
        (1, "CNY", "EUR", 0),
        (99, "JPY", "EUR", 60),
    ],
)
def test_currencies_with_other_digits(amount: int, source: str, target: str, expected: int) -> None:
    rate = rate_between("EUR", RATES, source, target)
    assert rate is not None
    assert to_minor(amount, rate_of(rate), source, target) == expected


def test_a_rail_of_whole_units_gets_no_decimals() -> None:
    assert to_minor(31_52, Fraction("391.7"), "EUR", "HUF") == 12346_38
    assert to_minor(31_52, Fraction("391.7"), "EUR", "HUF", whole_units=True) == 12346_00


def test_the_spread_is_rounded_up() -> None:
    assert spread_fee(1, 5_000) == 1
    assert spread_fee(200_00, 5_000) == 1_00
    assert spread_fee(200_01, 5_000) == 1_01
    assert spread_fee(1000_00, 0) == 0


@pytest.mark.parametrize(("source", "target"), [("CNY", "GBP"), ("GBP", "CNY"), ("GBP", "EUR"), ("CNY", "CNY")])
def test_edge_30_a_currency_without_a_rate_has_none(source: str, target: str) -> None:
    assert rate_between("EUR", RATES, source, target) is None


AMOUNTS = st.integers(0, 10**16)
CURRENCIES = st.sampled_from(["EUR", *RATES])
SPREADS = st.integers(0, 50_000)


@given(AMOUNTS, CURRENCIES, CURRENCIES, SPREADS)
def test_the_payee_never_gets_more_than_the_amount_is_worth_and_less_than_a_unit_is_lost(
    amount: int, source: str, target: str, spread_ppm: int
) -> None:
    rate = rate_between("EUR", RATES, source, target)
    if rate is None:
        assert source == target
        return
    found = convert(amount, spread_ppm, rate, source, target)
    units = Fraction(10) ** (MINOR_DIGITS[target] - MINOR_DIGITS[source])
    exact = (amount - found.fee_minor) * rate_of(rate) * units
    assert 0 <= found.fee_minor <= amount
    assert 0 <= found.fee_minor * 10**6 - amount * spread_ppm < 10**6
    assert 0 <= exact - found.amount_minor < 1


@given(AMOUNTS, CURRENCIES, CURRENCIES)
def test_there_and_back_never_gains(amount: int, source: str, target: str) -> None:
    there, back = rate_between("EUR", RATES, source, target), rate_between("EUR", RATES, target, source)
    if there is not None and back is not None:
        away = to_minor(amount, rate_of(there), source, target)
        assert to_minor(away, rate_of(back), target, source) <= amount


@given(AMOUNTS, AMOUNTS, CURRENCIES, CURRENCIES)
def test_splitting_an_amount_never_gains(first: int, second: int, source: str, target: str) -> None:
    rate = rate_between("EUR", RATES, source, target)
    if rate is not None:
        parts = (convert(part, 5_000, rate, source, target).amount_minor for part in (first, second))
        assert sum(parts) <= convert(first + second, 5_000, rate, source, target).amount_minor
