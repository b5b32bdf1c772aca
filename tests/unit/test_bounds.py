"""Every sum has a stated limit; what exceeds it is refused, or reported within the limit of its reader."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from contracts.fields import AMOUNT_MINOR_MAX, ORDER_MINOR_MAX, QUANTITY_MAX
from contracts.money import MINOR_DIGITS, to_amount
from contracts.orders.v1 import OrderRefused
from contracts.orders.v2 import Line
from contracts.stock.v1 import StockReserved
from tests.builders import (
    NOW,
    ORDER,
    SHOP,
    TEA,
    a_placed_line,
    a_shop,
    a_target,
    accepted,
    an_order_line,
    cancelled,
    message,
    order_state,
    paid,
    place,
    rules,
)
from tests.reward_builders import a_grant
from tests.stock_builders import a_lot, an_item, stock_state
from workers.order_intake.decide import place as decide_place
from workers.reward_checks.decide import count_sale, take_back_sale
from workers.reward_checks.model import State
from workers.stock_reservation.decide import reserve

INT64_MAX = 2**63 - 1


def placed(*amounts: str, currency: str = "CNY", **fields: Any) -> Any:
    lines = [a_placed_line(amount=amount) for amount in amounts]
    command = place(lines=lines, shipping=Decimal(0), **fields)
    return decide_place(order_state(shop=a_shop(currency=currency)), message(command))


class TestAnOrder:
    def test_may_total_the_largest_amount(self) -> None:
        answer = placed("999999999999.98", "0.01")

        assert answer.publish[0].total == Decimal("999999999999.99")

    @pytest.mark.parametrize(
        ("amounts", "fields"),
        [
            (("999999999999.99", "0.01"), {}),
            (("500000000000", "500000000000"), {}),
            (("999999999999.99",), {"shipping": Decimal("0.01")}),
            (("999999999999.99",), {"tax": Decimal("0.01")}),
        ],
    )
    def test_above_the_limit_is_refused(self, amounts: tuple[str, ...], fields: dict[str, Any]) -> None:
        lines = [a_placed_line(amount=amount) for amount in amounts]
        command = place(lines=lines, **{"shipping": Decimal(0), **fields})
        detail = (
            "lines: with shipping and tax they add up to 1000000000000.00, and an order may come to 999999999999.99; "
            "split the order."
        )
        event = OrderRefused(shop_id=SHOP, order_id=ORDER, reason="total_too_large", detail=detail)

        assert decide_place(order_state(), message(command)).publish == (event,)

    def test_with_the_most_and_largest_lines_is_refused(self) -> None:
        assert placed(*["999999999999.99"] * 500).publish[0].reason == "total_too_large"

    @pytest.mark.parametrize("currency", ["JPY", "CNY", "KWD", "CLF"])
    def test_may_reach_the_limit_in_every_currency(self, currency: str) -> None:
        most = ORDER_MINOR_MAX[currency]
        half, rest = (format(to_amount(minor, currency), "f") for minor in (most // 2, most - most // 2))

        assert placed(half, rest, currency=currency).publish[0].total == to_amount(most, currency)
        above = format(to_amount(most - most // 2 + 1, currency), "f")
        assert placed(half, above, currency=currency).publish[0].reason == "total_too_large"

    def test_leaves_room_for_sums_over_orders(self) -> None:
        assert all(92_000 * ORDER_MINOR_MAX[currency] < INT64_MAX for currency in MINOR_DIGITS)
        assert all(ORDER_MINOR_MAX[currency] <= AMOUNT_MINOR_MAX[currency] for currency in MINOR_DIGITS)


def test_a_month_above_the_largest_amount_is_counted_and_rewarded() -> None:
    state = State(rules={1: rules(targets=(a_target(target_minor=AMOUNT_MINOR_MAX["CNY"]),))})
    events: list[Any] = []
    for number in ("1", "2"):
        sale = paid(order_id=number, lines=(an_order_line(net="600000000000.00"),))
        answer: Any = count_sale(state, message(sale))
        state = answer.state
        events += answer.publish

    [month] = state.progress.values()
    assert month.sales_minor == 120_000_000_000_000
    assert events == [a_grant("999999999999.99", target="999999999999.99")]


def test_a_month_beyond_64_bits_stays_as_it_is_and_says_so() -> None:
    first: Any = count_sale(State(rules={1: rules()}), message(paid(order_id="1")))
    [(key, month)] = first.state.progress.items()
    full = {key: replace(month, sales_minor=INT64_MAX - 5_000)}
    sale = message(paid(order_id="2", lines=(an_order_line(net="100.00"),)))

    refused: Any = count_sale(State(full, first.state.rules), sale)

    assert (refused.outcome, refused.publish, refused.state.progress) == ("sales_too_large", (), full)
    again: Any = count_sale(refused.state, sale)
    assert again.outcome == "duplicate"
    back: Any = take_back_sale(refused.state, message(cancelled(order_id="2", net_total=Decimal("100.00"))))
    assert (back.outcome, back.state.progress) == ("noted", full)


def test_lines_of_one_product_may_exceed_the_quantity_of_one_pick() -> None:
    state = stock_state(an_item(TEA, a_lot(on_hand=3 * QUANTITY_MAX)))
    lines = tuple(an_order_line(number, quantity=QUANTITY_MAX - 1) for number in (1, 2, 3))

    answer: Any = reserve(state, message(accepted(lines=lines), time=NOW))

    [event] = answer.publish
    assert isinstance(event, StockReserved)
    assert [pick.quantity for pick in event.picks] == [QUANTITY_MAX, QUANTITY_MAX, QUANTITY_MAX - 3]
    assert answer.state.items[TEA].reserved == 3 * (QUANTITY_MAX - 1)


@pytest.mark.parametrize("amount", ["1e12", "1000000000000", "1E+400000", "1e999999999", "9" * 5000, "-0.01", "NaN"])
def test_an_amount_outside_its_contract_is_not_read(amount: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        Line.model_validate({"product_id": 1, "quantity": 1, "amount": amount})
