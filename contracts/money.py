"""Money is integer minor units with a currency; decimals exist only on the wire.

The one rounding rule of the system is `largest_remainder`: exact shares, rounded once, together. The lines of an order
carry its fractions on (`contracts.plans.calculation`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import MAX_PREC, Context, Decimal
from pathlib import Path

CURRENCIES = Path(__file__).parent / "currencies.json"
"""ISO 4217 by `python -m tests.contracts.currencies`, which takes it from the package iso4217."""

_LISTED = json.loads(CURRENCIES.read_text("utf-8"))

MINOR_DIGITS: dict[str, int] = _LISTED["in_use"]
"""The currencies in use, with their minor digits."""

MINOR_DIGITS_EVER: dict[str, int] = {**_LISTED["withdrawn"], **MINOR_DIGITS}
"""These and the withdrawn currencies, so that old amounts stay readable."""

RATE_SCALE = 1_000_000
"""Rates are whole parts per million, so that a share is one integer multiplication."""

_EXACT = Context(prec=MAX_PREC)
"""Keeps every digit: the default context would round at 28."""


class MoneyError(ValueError):
    """The amount cannot be expressed in the currency; the message states which and why."""


def to_minor(amount: Decimal, currency: str) -> int:
    """Return `amount` (major units) in minor units of `currency`, exactly.

    Raises MoneyError for an unknown currency or more digits than the currency has; nothing is rounded here.
    """
    digits = MINOR_DIGITS_EVER.get(currency)
    if digits is None:
        raise MoneyError(f"{currency!r} is not an ISO 4217 currency code")
    minor = _whole(amount, 10**digits)
    if minor is None:
        raise MoneyError(f"{amount} has more decimals than {currency} allows ({digits})")
    return minor


def to_amount(minor: int, currency: str) -> Decimal:
    """Return minor units as a decimal in major units, with exactly the currency's digits."""
    return Decimal(minor).scaleb(-MINOR_DIGITS_EVER[currency], _EXACT)


def to_rate_ppm(rate: Decimal) -> int:
    """Return a rate such as Decimal("0.05") in parts per million; MoneyError if that is not exact."""
    ppm = _whole(rate, RATE_SCALE)
    if ppm is None:
        raise MoneyError(f"rate {rate} is finer than one part per million")
    return ppm


def to_rate(ppm: int) -> Decimal:
    """Return parts per million as a decimal rate: 50000 as Decimal("0.05")."""
    return (Decimal(ppm) / RATE_SCALE).normalize()


def _whole(number: Decimal, scale: int) -> int | None:
    """Return `number * scale` if that is whole. Integers only: decimal arithmetic would round at 28 digits."""
    if not number.is_finite():
        raise MoneyError(f"{number} is not a number to count with")
    numerator, denominator = number.as_integer_ratio()
    whole, rest = divmod(numerator * scale, denominator)
    return None if rest else whole


def largest_remainder(numerators: Sequence[int], denominator: int) -> list[int]:
    """Round the exact shares `numerators[i] / denominator` so that they sum to their rounded total.

    The total is rounded half up. Each share gets its floor; the units left go to the largest fractions, the earlier
    index first if fractions are equal. Shares are never negative.
    """
    floors = []
    fractions = []
    for numerator in numerators:
        floor, fraction = divmod(numerator, denominator)
        floors.append(floor)
        fractions.append(fraction)
    left = (2 * sum(fractions) + denominator) // (2 * denominator)
    if left:
        # A stable sort keeps the earlier of equal fractions first, reversed or not.
        for index in sorted(range(len(floors)), key=fractions.__getitem__, reverse=True)[:left]:
            floors[index] += 1
    return floors
