"""Money: integers inside, decimals on the wire, and one rounding rule whose parts sum to the whole."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contracts.money import MINOR_DIGITS, MoneyError, largest_remainder, to_amount, to_minor, to_rate_ppm

currencies = st.sampled_from(sorted(MINOR_DIGITS))
minors = st.integers(-(2**63), 2**63 - 1)
denominators = st.integers(1, 10**6)
numerators = st.lists(st.integers(0, 10**12), max_size=12)


@given(minors, currencies)
@example(10**40 + 1, "CNY")
def test_minor_units_survive_the_round_trip_to_the_wire(minor: int, currency: str) -> None:
    assert to_minor(to_amount(minor, currency), currency) == minor


@given(minors, currencies)
def test_the_wire_has_exactly_the_currencys_digits(minor: int, currency: str) -> None:
    _, _, decimals = format(to_amount(minor, currency), "f").partition(".")

    assert len(decimals) == MINOR_DIGITS[currency]


@given(minors, currencies)
def test_the_value_is_the_same_as_a_fraction(minor: int, currency: str) -> None:
    assert Fraction(to_amount(minor, currency)) == Fraction(minor, 10 ** MINOR_DIGITS[currency])


AMOUNTS = [
    ("19.90", "CNY", 1990),
    ("19.9", "CNY", 1990),
    ("1.990E+1", "CNY", 1990),
    ("0", "CNY", 0),
    ("-0.00", "CNY", 0),
    ("-2.99", "CNY", -299),
    ("19", "JPY", 19),
    ("19.00", "JPY", 19),
    ("19.123", "KWD", 19123),
    ("0.001", "KWD", 1),
    ("1.2345", "CLF", 12345),
    ("999999999999.9999", "UYW", 9999999999999999),
]


@pytest.mark.parametrize(("amount", "currency", "minor"), AMOUNTS)
def test_amounts_in_minor_units(amount: str, currency: str, minor: int) -> None:
    assert to_minor(Decimal(amount), currency) == minor


@pytest.mark.parametrize(
    ("minor", "currency", "amount"),
    [(1990, "CNY", "19.90"), (0, "CNY", "0.00"), (5, "JPY", "5"), (-1, "KWD", "-0.001")],
)
def test_minor_units_as_amounts(minor: int, currency: str, amount: str) -> None:
    assert str(to_amount(minor, currency)) == amount


REFUSED = [
    ("19.905", "CNY", r"19\.905 has more decimals than CNY allows \(2\)"),
    ("19.5", "JPY", r"more decimals than JPY allows \(0\)"),
    ("0.0001", "KWD", r"more decimals than KWD allows \(3\)"),
    ("1.0000000000000000000000000000001", "CNY", "more decimals"),
    ("1", "ZZZ", "'ZZZ' is not an ISO 4217"),
    ("1", "cny", "'cny' is not an ISO 4217"),
    ("NaN", "CNY", "not a number to count with"),
    ("Infinity", "CNY", "not a number to count with"),
]


@pytest.mark.parametrize(("amount", "currency", "error"), REFUSED)
def test_an_amount_that_the_currency_cannot_express_is_refused(amount: str, currency: str, error: str) -> None:
    with pytest.raises(MoneyError, match=error):
        to_minor(Decimal(amount), currency)


@given(st.integers(0, 10**6))
def test_a_rate_is_whole_parts_per_million(ppm: int) -> None:
    assert to_rate_ppm(Decimal(ppm) / 10**6) == ppm


@pytest.mark.parametrize("rate", ["0.0000001", "0.1234567", "NaN", "Infinity", "0.05000000000000000000000000000001"])
def test_a_finer_rate_or_no_number_is_refused(rate: str) -> None:
    with pytest.raises(MoneyError):
        to_rate_ppm(Decimal(rate))


SHARES = [
    # 10 % of 1990 is whole.
    ([1990 * 100_000], 10**6, [199]),
    # Thirds of 100: the unit left goes to the first of three equal fractions.
    ([100, 100, 100], 3, [34, 33, 33]),
    # Two units left for three equal fractions of two thirds.
    ([200, 200, 200], 3, [67, 67, 66]),
    # The largest fraction first: 0.5, 0.75, 0.75 sum to 2.
    ([2, 3, 3], 4, [0, 1, 1]),
    # A total of exactly one half is rounded up, 5 %, 3 % and 2 % of 5 minor units.
    ([250_000, 150_000, 100_000], 10**6, [1, 0, 0]),
    # Just below one half there is nothing to share.
    ([49], 100, [0]),
    ([50], 100, [1]),
    # Half-up for each share alone would pay 4 here; together they pay 3: 1.5 + 0.5 + 0.5 = 2.5.
    ([3, 1, 1], 2, [2, 1, 0]),
    ([], 7, []),
    ([0, 0], 7, [0, 0]),
]


@pytest.mark.parametrize(("parts", "denominator", "expected"), SHARES)
def test_worked_examples_of_shares(parts: list[int], denominator: int, expected: list[int]) -> None:
    assert largest_remainder(parts, denominator) == expected


def _rounded_total(parts: list[int], denominator: int) -> int:
    """Half up, in fractions."""
    return int(Fraction(sum(parts), denominator) + Fraction(1, 2))


@given(numerators, denominators)
def test_the_shares_sum_to_the_rounded_total(parts: list[int], denominator: int) -> None:
    assert sum(largest_remainder(parts, denominator)) == _rounded_total(parts, denominator)


@given(numerators, denominators)
def test_each_share_is_its_exact_value_rounded_down_or_up(parts: list[int], denominator: int) -> None:
    for part, share in zip(parts, largest_remainder(parts, denominator), strict=True):
        assert abs(share - Fraction(part, denominator)) < 1


@given(numerators, denominators)
def test_no_share_is_negative(parts: list[int], denominator: int) -> None:
    assert all(share >= 0 for share in largest_remainder(parts, denominator))


@given(st.integers(0, 10**12), st.integers(1, 12), denominators)
def test_equal_shares_differ_by_one_unit_and_the_earlier_gets_it(part: int, count: int, denominator: int) -> None:
    shares = largest_remainder([part] * count, denominator)

    assert shares == sorted(shares, reverse=True)
    assert max(shares) - min(shares) <= 1


@given(numerators.filter(lambda parts: len(parts) > 1), denominators, st.randoms(use_true_random=False))
def test_another_order_moves_only_the_unit_between_equal_fractions(
    parts: list[int], denominator: int, random: Random
) -> None:
    order = list(range(len(parts)))
    random.shuffle(order)
    before = largest_remainder(parts, denominator)
    after = largest_remainder([parts[index] for index in order], denominator)

    for place, index in enumerate(order):
        if after[place] != before[index]:
            fraction = parts[index] % denominator
            assert sum(part % denominator == fraction for part in parts) > 1
            assert abs(after[place] - before[index]) == 1
    for fraction in {part % denominator for part in parts}:
        raised = [
            index
            for index, part in enumerate(parts)
            if part % denominator == fraction and before[index] > part // denominator
        ]
        equal = [index for index, part in enumerate(parts) if part % denominator == fraction]
        assert raised == equal[: len(raised)]


@given(numerators, denominators)
def test_a_larger_fraction_is_raised_before_a_smaller_one(parts: list[int], denominator: int) -> None:
    shares = largest_remainder(parts, denominator)
    raised = [p % denominator for p, s in zip(parts, shares, strict=True) if s > p // denominator]
    left = [p % denominator for p, s in zip(parts, shares, strict=True) if s == p // denominator]

    assert not raised or not left or min(raised) >= max(left)
