"""Exact conversion of money. What is less than the smallest unit stays with the house, and is never a unit too many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from contracts.money import MINOR_DIGITS_EVER, RATE_SCALE


@dataclass(frozen=True, slots=True)
class Converted:
    """`fee_minor` is the spread, in the currency converted from; `rate` is written as it was applied."""

    amount_minor: int
    fee_minor: int
    rate: str


def rate_between(base: str, rates: Mapping[str, str], source: str, target: str) -> str | None:
    """The rate from `source` to `target` as text, such as `1.0920`, or `1.0920/7.8000` if neither is the base.

    None if the table has not both: there is never a rate of 1 by default.
    """
    of_base = {**rates, base: "1"}
    if source == target or source not in of_base or target not in of_base:
        return None
    over = of_base[target]
    return over if source == base else f"{over}/{of_base[source]}"


def rate_of(text: str) -> Fraction:
    """The rate as a number. Raises ValueError and ZeroDivisionError for text that is none."""
    over, _, under = text.partition("/")
    return Fraction(over) / Fraction(under or "1")


def to_minor(amount_minor: int, rate: Fraction, source: str, target: str, *, whole_units: bool = False) -> int:
    """floor(amount × rate), in minor units of `target`; in whole units of it if the rail sends no decimals."""
    digits = MINOR_DIGITS_EVER[target]
    exact = amount_minor * rate * Fraction(10) ** (digits - MINOR_DIGITS_EVER[source])
    step = 10**digits if whole_units else 1
    return exact // step * step


def spread_fee(amount_minor: int, spread_ppm: int) -> int:
    """The share that the house keeps, rounded up."""
    return -(-amount_minor * spread_ppm // RATE_SCALE)


def convert(
    amount_minor: int, spread_ppm: int, rate: str, source: str, target: str, *, whole_units: bool = False
) -> Converted:
    """Take the spread of the amount, and convert the rest."""
    fee = spread_fee(amount_minor, spread_ppm)
    converted = to_minor(amount_minor - fee, rate_of(rate), source, target, whole_units=whole_units)
    return Converted(converted, fee, rate)
