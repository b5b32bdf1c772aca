"""The currencies are those of ISO's latest list; amounts in withdrawn ones stay readable."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from contracts.fields import AnyCurrency, Currency
from contracts.money import CURRENCIES, MINOR_DIGITS, to_amount, to_minor
from contracts.network.v1 import RegisterShop, ShopRegistered
from contracts.orders.v1 import OrderPaid
from contracts.orders.v2 import PlaceOrder
from contracts.rules.plans import AmountIn, Cap, FixedAmounts
from tests.contracts.currencies import to_text
from tests.contracts.golden import FOLDER

AGE_MAX = timedelta(days=366)


def test_the_list_matches_iso() -> None:
    assert CURRENCIES.read_text("utf-8") == to_text(), "run `python -m tests.contracts.currencies`"


def test_the_list_is_not_older_than_a_year() -> None:
    published = json.loads(CURRENCIES.read_text("utf-8"))["published"]
    age = datetime.now(UTC).date() - date.fromisoformat(published)
    assert age <= AGE_MAX, f"ISO's table is of {published}: raise iso4217 in pyproject.toml, then `make lock`"


def test_no_code_is_both_in_use_and_withdrawn() -> None:
    listed = json.loads(CURRENCIES.read_text("utf-8"))
    assert listed["in_use"].keys() & listed["withdrawn"].keys() == set()
    assert {"ANG", "BGN"} <= listed["withdrawn"].keys()


@pytest.mark.parametrize(
    ("code", "digits"), [("XCG", 2), ("ZWG", 2), ("CNY", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("UYW", 4)]
)
def test_a_currency_in_use_is_accepted(code: str, digits: int) -> None:
    assert MINOR_DIGITS[code] == digits
    assert RegisterShop(shop_id="s", currency=code).currency == code


@pytest.mark.parametrize("code", ["ANG", "BGN"])
def test_a_withdrawn_currency_is_refused_in_commands_and_readable_in_events(code: str) -> None:
    paid = json.loads((FOLDER / "order.paid.v1.json").read_bytes())["data"]
    assert OrderPaid.model_validate({**paid, "currency": code}).currency == code
    assert ShopRegistered(shop_id="s", currency=code).currency == code
    assert to_minor(to_amount(1990, code), code) == 1990
    place = json.loads((FOLDER / "order.place.v2.json").read_bytes())["data"]
    for model, command in (
        (RegisterShop, {"shop_id": "s", "currency": code}),
        (PlaceOrder, {**place, "currency": code}),
        (AmountIn, {"currency": code, "amount": "1"}),
        (Cap, {"per": "order", "currency": code, "amount": "1"}),
        (FixedAmounts, {"currency": code, "levels": ["1"]}),
    ):
        with pytest.raises(ValidationError, match="not an ISO 4217 currency code in use"):
            model.model_validate(command)


@pytest.mark.parametrize("code", ["XXX", "XTS", "XAU", "HRK", "QQQ", "cny", "CNY ", "ＣＮＹ", ""])
@pytest.mark.parametrize("kind", [Currency, AnyCurrency])
def test_an_unknown_currency_is_refused_everywhere(kind: Any, code: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(code)


def test_an_amount_has_the_digits_of_its_currency() -> None:
    assert to_amount(1990, "BGN") == Decimal("19.90")
