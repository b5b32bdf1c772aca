"""The currencies are ISO's, of this year; what was ever counted in one stays readable."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import iso4217
import pytest
from pydantic import TypeAdapter, ValidationError

from contracts.fields import AnyCurrency, Currency
from contracts.money import MINOR_DIGITS, MINOR_DIGITS_EVER, to_amount, to_minor
from contracts.network.v1 import RegisterShop, ShopRegistered
from contracts.orders.v1 import OrderPaid
from contracts.orders.v2 import PlaceOrder
from contracts.rules.plans import AmountIn, Cap, FixedAmounts
from tests.contracts.golden import FOLDER

EVER: dict[str, int] = json.loads((Path(__file__).parent / "currencies.json").read_text())
"""Every code that a release took, with its digits. It grows; what stands in it is never changed or taken out."""

AGE_MAX = timedelta(days=366)


def test_the_list_is_not_older_than_a_year() -> None:
    age = datetime.now(UTC).date() - iso4217.__published__
    assert age <= AGE_MAX, (
        f"ISO's table is of {iso4217.__published__}: raise iso4217 in pyproject.toml, then `make lock`"
    )


def test_what_was_ever_taken_stays_readable_with_the_same_digits() -> None:
    assert EVER == MINOR_DIGITS_EVER, "add new codes to currencies.json, and withdrawn ones to MINOR_DIGITS_EVER"


@pytest.mark.parametrize(
    ("code", "digits"), [("XCG", 2), ("ZWG", 2), ("CNY", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("UYW", 4)]
)
def test_a_currency_in_use_is_taken(code: str, digits: int) -> None:
    assert MINOR_DIGITS[code] == digits
    assert RegisterShop(shop_id="s", currency=code).currency == code


@pytest.mark.parametrize("code", ["ANG", "BGN"])
def test_a_withdrawn_currency_is_refused_in_commands_and_readable_in_events(code: str) -> None:
    paid = json.loads((FOLDER / "order.paid.v1.json").read_bytes())["data"]
    assert OrderPaid.model_validate({**paid, "currency": code}).currency == code
    assert ShopRegistered(shop_id="s", currency=code).currency == code
    assert to_minor(to_amount(1990, code), code) == 1990
    place = json.loads((FOLDER / "order.place.v2.json").read_bytes())["data"]
    for model, wish in (
        (RegisterShop, {"shop_id": "s", "currency": code}),
        (PlaceOrder, {**place, "currency": code}),
        (AmountIn, {"currency": code, "amount": "1"}),
        (Cap, {"per": "order", "currency": code, "amount": "1"}),
        (FixedAmounts, {"currency": code, "levels": ["1"]}),
    ):
        with pytest.raises(ValidationError, match="not an ISO 4217 currency code in use"):
            model.model_validate(wish)


@pytest.mark.parametrize("code", ["XXX", "XTS", "XAU", "HRK", "QQQ", "cny", "CNY ", "ＣＮＹ", ""])
@pytest.mark.parametrize("kind", [Currency, AnyCurrency])
def test_what_is_no_currency_is_refused_everywhere(kind: object, code: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(code)


def test_an_amount_has_the_digits_of_its_currency() -> None:
    assert to_amount(1990, "BGN") == Decimal("19.90")
