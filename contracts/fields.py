"""The field types that contracts share, each with its limit and the reason for it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field, PlainSerializer

from contracts.money import MINOR_DIGITS

LINES_MAX = 500
"""An order with more lines is split by the shop: one order must fit in one batch and one document."""

QUANTITY_MAX = 10_000_000
"""Fuel is sold by the thousandth, hence millions; beyond that it is a typing error."""

ShopId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", examples=["shop-367"])]
OrderId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", examples=["31198459904"])]
Reference = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
"""An id that the sender gives to one act (a receipt, an adjustment), so that sending it twice counts once."""

Id64 = Annotated[int, Field(strict=True, ge=1, le=2**63 - 1)]
Quantity = Annotated[int, Field(strict=True, ge=1, le=QUANTITY_MAX)]

Amount = Annotated[
    Decimal,
    Field(ge=0, max_digits=16, decimal_places=4, examples=["19.90"]),
    PlainSerializer(str, return_type=str, when_used="json"),
]
"""Major units as a decimal string; numbers are accepted. 16 digits keep minor units within 64 bits."""

SignedAmount = Annotated[
    Decimal,
    Field(max_digits=16, decimal_places=4),
    PlainSerializer(str, return_type=str, when_used="json"),
]

Rate = Annotated[
    Decimal,
    Field(ge=0, le=1, max_digits=7, decimal_places=6, examples=["0.05"]),
    PlainSerializer(str, return_type=str, when_used="json"),
]
"""A share between 0 and 1, no finer than one part per million."""


def _known_currency(code: str) -> str:
    if code not in MINOR_DIGITS:
        raise ValueError(f"{code!r} is not an ISO 4217 currency code in use; write for example 'CNY'")
    return code


Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["CNY"]), AfterValidator(_known_currency)]
IsoDate = Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$", examples=["2027-03-31"])]
"""A calendar day; compares as text."""

Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""A reason code: lower case, stable, meant for programs; sentences are made from it."""
