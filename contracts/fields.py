"""The field types that contracts share, each with its limit and the reason for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    SerializationInfo,
    StrictInt,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)

from contracts.calendar import checked_zone
from contracts.money import MINOR_DIGITS, MINOR_DIGITS_EVER

BY_VALUE: Mapping[str, bool] = MappingProxyType({"by_value": True})
"""The serialisation context in which 19.9 and 19.90 give the same text."""


def _plain(number: Decimal, info: SerializationInfo) -> str:
    """Digits only: never an exponent, which not every JSON client reads as a decimal."""
    digits = format(number, "f")
    if info.context is BY_VALUE and "." in digits:
        return digits.rstrip("0").rstrip(".")
    return digits


def _written_as(pattern: str) -> WrapValidator:
    """Read a number, or text that matches the schema's pattern; other text that Python reads as a decimal is refused.

    Such text is within the limits of its field already, and checking these in pydantic is the slowest part.
    """
    is_written_so = re.compile(pattern).fullmatch

    def read(value: object, checked: ValidatorFunctionWrapHandler) -> Decimal:
        if isinstance(value, str) and is_written_so(value) is not None:
            return Decimal(value)
        number: Decimal = checked(value)
        if isinstance(value, str):
            raise ValueError('write it in plain digits with a point, for example "12.50"')
        # Negative zero as text is not an amount.
        return number or abs(number)

    return WrapValidator(read)


LINES_MAX = 500
"""An order with more lines is split by the shop: one order must fit in one batch and one document."""

QUANTITY_MAX = 10_000_000
"""Fuel is sold by the thousandth, so quantities reach millions; more is a typing error."""

GIVEN_MAX = 256
"""What a sender wrote and we could not accept is repeated up to this length."""

DETAIL_MAX = 1000
"""A sentence about what a sender wrote is cut to this length, as field names and values in it are the sender's."""

ShopId = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="The shop, by its registered id. Shop and order id together identify an order.",
        examples=["shop-367"],
    ),
]
OrderId = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="The shop's own order number, as text; unique within the shop. Sending the same order again "
        "changes nothing; the same id with other content is refused.",
        examples=["31198459904"],
    ),
]
Reference = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._:-]{1,64}$",
        description="The sender's own id of this action: sent twice, it counts once.",
        examples=["receipt-2026-11-0042"],
    ),
]
"""An id that the sender gives to an action (a receipt, an adjustment), so that sending it twice counts once."""

Id64 = Annotated[int, Field(strict=True, ge=1, le=2**63 - 1, examples=[40021])]
"""A JSON integer in messages. JavaScript programs read ids beyond 2**53 from the raw text, or over HTTP."""

Zone = Annotated[
    str,
    Field(max_length=64, description="A time zone of IANA.", examples=["Asia/Shanghai"]),
    AfterValidator(checked_zone),
]

DistributorId = Annotated[Id64, Field(description="The distributor, by its number in the network.", examples=[40021])]
ProductId = Annotated[Id64, Field(description="The product, by its number in the catalogue.", examples=[1082185])]
CategoryId = Annotated[
    Id64, Field(description="The product category; commission rates may depend on it.", examples=[7])
]
Quantity = Annotated[
    int, Field(strict=True, ge=1, le=QUANTITY_MAX, description="Whole units of the product.", examples=[3])
]

_WHOLE_DIGITS_MAX = 12
_DECIMALS_MAX = 4
_WHOLE_AND_DECIMALS = rf"[0-9]{{1,{_WHOLE_DIGITS_MAX}}}(\.[0-9]{{1,{_DECIMALS_MAX}}})?$"
_ZERO_TO_ONE = r"^(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$"

Amount = Annotated[
    Decimal,
    Field(
        ge=0,
        max_digits=_WHOLE_DIGITS_MAX + _DECIMALS_MAX,
        decimal_places=_DECIMALS_MAX,
        description="Money in major units as a decimal string, with no more decimals than the currency has; "
        "a JSON number is accepted, a string keeps every digit.",
        examples=["59.70"],
    ),
    _written_as(f"^{_WHOLE_AND_DECIMALS}"),
    PlainSerializer(_plain, return_type=str, when_used="json"),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": f"^{_WHOLE_AND_DECIMALS}"}, {"type": "number", "minimum": 0}]},
        mode="validation",
    ),
    WithJsonSchema({"type": "string", "pattern": f"^{_WHOLE_AND_DECIMALS}"}, mode="serialization"),
]
"""Major units as a decimal string; numbers are accepted. 16 digits keep minor units within 64 bits."""

SignedAmount = Annotated[
    Decimal,
    Field(
        max_digits=_WHOLE_DIGITS_MAX + _DECIMALS_MAX,
        decimal_places=_DECIMALS_MAX,
        description="Money in major units as a decimal string; negative if something is taken back.",
        examples=["-2.99"],
    ),
    _written_as(f"^-?{_WHOLE_AND_DECIMALS}"),
    PlainSerializer(_plain, return_type=str, when_used="json"),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": f"^-?{_WHOLE_AND_DECIMALS}"}, {"type": "number"}]}, mode="validation"
    ),
    WithJsonSchema({"type": "string", "pattern": f"^-?{_WHOLE_AND_DECIMALS}"}, mode="serialization"),
]

_SUM = rf"^-?[0-9]{{1,30}}(\.[0-9]{{1,{_DECIMALS_MAX}}})?$"

Sum = Annotated[
    Decimal,
    Field(
        max_digits=34,
        decimal_places=_DECIMALS_MAX,
        description="A sum of many amounts in major units as a decimal string; it may be larger than an amount.",
        examples=["5000.00"],
    ),
    _written_as(_SUM),
    PlainSerializer(_plain, return_type=str, when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": _SUM}, {"type": "number"}]}, mode="validation"),
    WithJsonSchema({"type": "string", "pattern": _SUM}, mode="serialization"),
]
"""A sum of any number of amounts, as events state it: 34 digits."""

AMOUNT_MINOR_MAX = {code: 10 ** (_WHOLE_DIGITS_MAX + digits) - 1 for code, digits in MINOR_DIGITS_EVER.items()}
"""The most that an `Amount` carries, in minor units by currency."""

ORDER_MINOR_MAX = {code: min(most, 10**14 - 1) for code, most in AMOUNT_MINOR_MAX.items()}
"""The largest total of an order: what an `Amount` carries, and less than 10**14 minor units, so that 64 bits hold the
sum of 92,000 such orders."""

Rate = Annotated[
    Decimal,
    Field(
        ge=0,
        le=1,
        max_digits=7,
        decimal_places=6,
        description="A share between 0 and 1 as a decimal string, to one part per million: 0.05 is five per cent.",
        examples=["0.05"],
    ),
    _written_as(_ZERO_TO_ONE),
    PlainSerializer(_plain, return_type=str, when_used="json"),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": _ZERO_TO_ONE}, {"type": "number", "minimum": 0, "maximum": 1}]},
        mode="validation",
    ),
    WithJsonSchema({"type": "string", "pattern": _ZERO_TO_ONE}, mode="serialization"),
]
"""A share between 0 and 1, in whole parts per million."""


def _on_the_calendar(day: str) -> str:
    try:
        date.fromisoformat(day)
    except ValueError as error:
        raise ValueError(f"{day} is not a day of the calendar") from error
    return day


def _currency_in_use(code: str) -> str:
    if code not in MINOR_DIGITS:
        raise ValueError(f"{code!r} is not an ISO 4217 currency code in use; write for example 'CNY'")
    return code


def _currency_ever(code: str) -> str:
    if code not in MINOR_DIGITS_EVER:
        raise ValueError(f"{code!r} is not an ISO 4217 currency code")
    return code


Currency = Annotated[
    str,
    Field(
        pattern=r"^[A-Z]{3}$",
        description="An ISO 4217 currency code in use, in capitals.",
        examples=["CNY"],
    ),
    AfterValidator(_currency_in_use),
]
"""A currency that a command may use."""

AnyCurrency = Annotated[
    str,
    Field(
        pattern=r"^[A-Z]{3}$",
        description="An ISO 4217 currency code, in capitals; may be a withdrawn one.",
        examples=["CNY"],
    ),
    AfterValidator(_currency_ever),
]
"""A currency of an event: a refund of last year's order is in last year's currency."""

IsoDate = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
        description="A calendar day.",
        examples=["2027-03-31"],
    ),
    AfterValidator(_on_the_calendar),
]
"""A calendar day; compares as text."""

_UNSEEN = (
    r"\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    r"\ufdd0-\ufdef\ufeff\ufff0-\ufffb\ufffe\uffff"
)
"""Control characters, those that turn text around, break lines or take no room, and what is no character. Joiners
(U+200C, U+200D) are not among them: Persian, Indian scripts and emoji need them."""

_UNSEEN_BEYOND = r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff" + "".join(
    rf"\U{plane:04x}fffe\U{plane:04x}ffff" for plane in range(1, 17)
)
"""The same beyond U+FFFF. Not in the pattern, as few dialects of regular expressions can write them."""

_BLANK = r" \xa0\u1680\u180b-\u180d\u180f\u2000-\u200a\u200c\u200d\u202f\u205f\u2800\u3000\u3164\ufe00-\ufe0f\uffa0"
"""Spaces, and what only changes the character before it: variation selectors and joiners."""

NAME_PATTERN = f"^[^{_UNSEEN}]*[^{_UNSEEN}{_BLANK}][^{_UNSEEN}]*$"
"""A name that people see: of visible characters, and not only spaces."""

_is_visible = re.compile(NAME_PATTERN).fullmatch
_has_unseen_beyond = re.compile(f"[{_UNSEEN_BEYOND}]").search
_unseen = re.compile(f"[{_UNSEEN}{_UNSEEN_BEYOND}]")
_has_unseen_or_blank = re.compile(f"[{_UNSEEN}{_UNSEEN_BEYOND}{_BLANK}]").search


def is_visible_name(text: str) -> bool:
    # A line end is the one character that `$` would let pass at the end.
    return _is_visible(text) is not None and _has_unseen_beyond(text) is None


def visible_name(text: str) -> str:
    """For a command's field. The schemas of released versions have no pattern, so what is stored may be any text."""
    if not is_visible_name(text):
        raise ValueError(
            "write it in visible characters: no control characters, none that change the direction of the text, and "
            "not only spaces"
        )
    return text


def visible_text(text: str) -> str:
    """The text in one line for people: each run of spaces or of characters that are not visible is one space."""
    return " ".join(_unseen.sub(" ", text).split())


def is_visible_address(text: str) -> bool:
    return _has_unseen_or_blank(text) is None


def visible_address(text: str) -> str:
    """For an address, of a person or a page, which people compare with another: each character takes room."""
    if not is_visible_address(text):
        raise ValueError("write it in visible characters, without spaces")
    return text


OsUser = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=64,
        description="The operating system's user who ran the command, if it came from the command line.",
        examples=["root"],
    ),
]
Code = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9_]{0,63}$",
        description="A code that stays the same, for programs to act on.",
        examples=["product_unknown"],
    ),
]
"""A reason code: lower case, stable, for programs; sentences are made from it."""

MarketName = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9_-]{0,63}$",
        description="Shops that sell under the same law: the market's rules and limits hold for their orders.",
        examples=["default"],
    ),
]

Detail = Annotated[
    str,
    Field(
        description="A sentence for people: what was wrong, or what to do next. Its wording may change.",
        examples=["Product 1082185 is not in the catalogue."],
    ),
]
OrderVersion = Annotated[
    StrictInt,
    Field(
        description="Grows by one with each change of the order, so that a consumer can detect old or missing events.",
        examples=[3],
    ),
]
RuleVersion = Annotated[StrictInt, Field(description="The published rules that the figures follow.", examples=[1])]
Level = Annotated[
    StrictInt,
    Field(description="Distance in the sponsor chain: 1 is the seller, 2 the seller's sponsor.", examples=[1]),
]
LineNumber = Annotated[StrictInt, Field(description="The line's place in the order, from 1.", examples=[1])]

Severity = Annotated[
    Literal["info", "warning", "critical"], Field(description="How urgent it is.", examples=["warning"])
]


Facts = Annotated[
    dict[str, str],
    Field(
        description="The values that the alert's sentence is made of, by name, to write it in any language.",
        examples=[{"product_id": "1082185", "available": "3", "low_at": "5"}],
    ),
]
