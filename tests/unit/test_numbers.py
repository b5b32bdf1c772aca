"""Numbers in text have one spelling, which every reader shares."""

from __future__ import annotations

import pytest

from contracts.numbers import DIGITS_MAX, decimal_of, is_whole, whole_of

NINES = "9" * DIGITS_MAX
WHOLE = {"0": 0, "7": 7, "-3": -3, "42": 42, NINES: int(NINES)}
DECIMALS = {"0.5": 0.5, "-12.50": -12.5, "3.0": 3.0, f"0.{NINES}": 1.0}
NOT_NUMBERS = [
    "",
    "1_0",
    "007",
    "+1",
    " 1",
    "1 ",
    "1\n",
    "1e3",
    ".5",
    "5.",
    "1.2.3",
    "0x10",
    "٥",
    "５",
    "nan",
    "inf",
    "-",
    "1,5",
]


@pytest.mark.parametrize(("text", "number"), WHOLE.items())
def test_a_whole_number_is_read(text: str, number: int) -> None:
    assert (is_whole(text), whole_of(text), decimal_of(text)) == (True, number, float(number))


@pytest.mark.parametrize(("text", "number"), DECIMALS.items())
def test_a_number_with_a_point_is_a_decimal(text: str, number: float) -> None:
    assert (is_whole(text), whole_of(text), decimal_of(text)) == (False, None, number)


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_any_other_spelling_is_no_number(text: str) -> None:
    assert (is_whole(text), whole_of(text), decimal_of(text)) == (False, None, None)


@pytest.mark.parametrize("text", [f"1{NINES}", f"-1{NINES}"])
def test_a_longer_number_is_not_read(text: str) -> None:
    assert (is_whole(text), whole_of(text), decimal_of(text)) == (True, None, None)
    assert decimal_of(f"0.1{NINES}") is None
