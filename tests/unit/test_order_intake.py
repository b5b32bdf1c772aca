"""Placing an order: it is accepted as of its own time or refused with a reason, and only once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from contracts.orders import v1, v2
from contracts.orders.v1 import OrderRefused, StatusRefused
from contracts.orders.view import Line
from contracts.times import CLOCK_SKEW_MAX
from contracts.wire.decision import Decision, NotYet
from contracts.wire.reading import Reader
from contracts.wire.refusal import Unreadable
from tests.builders import (
    CUP,
    CUPS,
    KEY,
    MIDDLE,
    NOW,
    ORDER,
    SELLER,
    SHOP,
    TEA,
    TEAS,
    a_distributor,
    a_placed_line,
    a_product,
    a_shop,
    a_standing,
    accepted,
    an_order,
    an_order_line,
    by_id,
    message,
    order_state,
    place,
    rules,
)
from workers.order_intake.content import fingerprint_of
from workers.order_intake.decide import place as decide_place
from workers.order_intake.decide import (
    refuse_unreadable_order,
    refuse_unreadable_status,
)
from workers.order_intake.model import State

A_DAY = timedelta(days=1)


def refused(reason: str, detail: str, state: State) -> Decision[State]:
    event = OrderRefused(shop_id=SHOP, order_id=ORDER, reason=reason, detail=detail)
    return Decision(state, (event,), "refused")


def with_amount(amount: str) -> v2.PlaceOrder:
    return place(lines=[a_placed_line(amount=amount)])


def with_discount(discount: str) -> v2.PlaceOrder:
    return place(lines=[a_placed_line(discount=discount)])


def test_an_order_is_accepted_with_everything_that_commissions_need() -> None:
    state = order_state()

    assert decide_place(state, message(place())) == Decision(state.with_orders(an_order()), (accepted(),), "accepted")


def test_an_order_of_version_1_is_read_as_version_2_in_the_shops_currency() -> None:
    body = {"shop_id": SHOP, "order_id": ORDER, "distributor_id": SELLER, "product_id": TEA, "quantity": 2}
    [old] = Reader([v2.PlaceOrder, v1.PlaceOrder]).read(
        json.dumps({**body, "total_price": "98.00"}).encode(),
        content_type="application/json",
        routing_key="order.place.v1",
        received_at=NOW,
    )
    assert not isinstance(old, Unreadable)
    state = order_state()
    order = an_order(
        fingerprint=fingerprint_of(old.data),
        lines=(Line(1, TEA, TEAS, 2, 9_800, 0),),
        shipping_minor=0,
    )
    event = accepted(lines=(an_order_line(net="98.00"),), shipping=Decimal("0.00"))

    assert decide_place(state, old) == Decision(state.with_orders(order), (event,), "accepted")


def test_a_prepaid_order_is_accepted_like_any_other() -> None:
    command = place(prepaid=True)
    state = order_state()
    order = an_order(fingerprint=fingerprint_of(command), prepaid=True)

    assert decide_place(state, message(command)) == Decision(
        state.with_orders(order), (accepted(prepaid=True),), "accepted"
    )


def test_the_payment_deadline_is_the_shops_and_starts_at_the_reservation() -> None:
    late = place(placed_at=NOW - A_DAY)

    after = decide_place(order_state(shop=a_shop(payment_deadline_s=60)), message(late)).state.orders[KEY]

    assert (after.placed_at, after.payment_deadline_s, after.due_at) == (NOW - A_DAY, 60, None)


def test_each_line_has_its_number_and_its_products_category() -> None:
    command = place(
        lines=[a_placed_line(CUP, 1, "5.50"), a_placed_line(TEA, 3, "30.00", "0.50"), a_placed_line(CUP, 2, "11.00")],
        tax=Decimal("1.25"),
        total=Decimal("55.25"),
    )
    order = decide_place(order_state(), message(command)).state.orders[KEY]

    assert order.lines == (
        Line(1, CUP, CUPS, 1, 550, 0),
        Line(2, TEA, TEAS, 3, 3_000, 50),
        Line(3, CUP, CUPS, 2, 1_100, 0),
    )
    assert (order.net_minor, order.total_minor) == (4_600, 5_525)


@pytest.mark.parametrize(
    ("currency", "amount", "minor"), [("JPY", "1500", 1_500), ("KWD", "12.345", 12_345), ("CNY", "19.9", 1_990)]
)
def test_amounts_are_stored_in_the_minor_units_of_the_shops_currency(currency: str, amount: str, minor: int) -> None:
    command = place(lines=[a_placed_line(amount=amount)], currency=currency, shipping=Decimal(0))

    order = decide_place(order_state(shop=a_shop(currency=currency)), message(command)).state.orders[KEY]

    assert (order.currency, order.total_minor) == (currency, minor)


class TestTheSameOrderAgain:
    def test_another_message_id_is_a_duplicate(self) -> None:
        state = order_state(an_order())

        assert decide_place(state, message(place(), id="resent")) == Decision(state, outcome="duplicate")

    def test_a_repeat_in_a_later_status_is_a_duplicate(self) -> None:
        state = order_state(an_order(status="cancelled", version=5, reason="cancelled_by_shop"))

        assert decide_place(state, message(place())) == Decision(state, outcome="duplicate")

    @pytest.mark.parametrize(
        "changed",
        [
            place(shipping=Decimal("8.01")),
            place(distributor_id=MIDDLE),
            place(prepaid=True),
            place(currency="JPY"),
            place(placed_at=NOW - A_DAY),
            place(lines=[a_placed_line(CUP, discount="10.00")]),
            place(lines=[a_placed_line(quantity=3, discount="10.00")]),
            place(lines=[a_placed_line(discount="10.00"), a_placed_line(CUP)]),
        ],
    )
    def test_other_content_is_a_conflict_and_the_first_order_is_kept(self, changed: v2.PlaceOrder) -> None:
        state = order_state(an_order())
        detail = f"order {KEY} was accepted before with other content; the first one stands."

        assert decide_place(state, message(changed)) == refused("conflict", detail, state)

    @pytest.mark.parametrize(
        ("first", "rewritten", "other"),
        [
            (with_amount("19.9"), with_amount("19.90"), with_amount("19.91")),
            (with_amount("20"), with_amount("20.00"), with_amount("2.00")),
            (with_discount("19.9"), with_discount("19.90"), with_discount("19.91")),
            (place(shipping=Decimal("19.9")), place(shipping=Decimal("19.90")), place(shipping=Decimal("19.91"))),
            (place(tax=Decimal("19.9")), place(tax=Decimal("19.90")), place(tax=Decimal("19.91"))),
            (place(tax=Decimal(0)), place(tax=Decimal("0.00")), place(tax=Decimal("0.01"))),
            (place(total=Decimal("98.0")), place(total=Decimal("98.00")), place(total=Decimal("98.01"))),
        ],
    )
    def test_equal_amounts_are_a_duplicate_and_other_amounts_a_conflict(
        self, first: v2.PlaceOrder, rewritten: v2.PlaceOrder, other: v2.PlaceOrder
    ) -> None:
        state = decide_place(order_state(), message(first)).state
        detail = f"order {KEY} was accepted before with other content; the first one stands."

        assert list(state.orders) == [KEY]
        assert decide_place(state, message(rewritten)) == Decision(state, outcome="duplicate")
        assert decide_place(state, message(other)) == refused("conflict", detail, state)

    def test_lines_in_another_order_are_other_content(self) -> None:
        tea, cup = a_placed_line(TEA), a_placed_line(CUP)
        state = decide_place(order_state(), message(place(lines=[tea, cup]))).state
        detail = f"order {KEY} was accepted before with other content; the first one stands."

        assert decide_place(state, message(place(lines=[cup, tea]))) == refused("conflict", detail, state)

    def test_the_stored_fingerprint_does_not_change_with_the_code(self) -> None:
        command = place(currency="CNY", placed_at=NOW, total=Decimal("98.00"))

        assert fingerprint_of(command) == "91130325-abfb-5b43-b6ac-f741987ab590"


MISSING = [
    ({"shop": None}, place(), "shop_unknown", "shop_id: shop shop-1 is not registered."),
    ({"distributors": {}}, place(), "distributor_unknown", "distributor_id: distributor 3 is not registered."),
    ({"products": {}}, place(), "product_unknown", "lines.0.product_id: product 501 is not defined."),
    (
        {"tenures": (rules(effective_from=NOW + A_DAY).tenure,)},
        place(),
        "no_rules",
        "placed_at: no rules were in force in market default at 2026-11-02T09:30:00+00:00; activate some.",
    ),
]


@pytest.mark.parametrize(("lacking", "command", "reason", "detail"), MISSING, ids=[case[2] for case in MISSING])
def test_unknown_references_are_retried_and_then_refused(
    lacking: dict[str, Any], command: v2.PlaceOrder, reason: str, detail: str
) -> None:
    state = order_state(**lacking)

    assert decide_place(state, message(command)) == NotYet(reason, refused(reason, detail, state))


INACTIVE = by_id(a_distributor(SELLER, standings=[a_standing(active=False)]))
BROKEN = [
    (
        {},
        place(currency="JPY"),
        "currency_not_accepted",
        "currency: shop shop-1 sells in CNY, not in JPY.",
    ),
    (
        {},
        place(placed_at=NOW + CLOCK_SKEW_MAX + timedelta(milliseconds=1)),
        "placed_in_future",
        "placed_at: 2026-11-02T09:40:00.001000+00:00 has not come yet.",
    ),
    (
        {"distributors": INACTIVE},
        place(),
        "distributor_inactive",
        "distributor_id: distributor 3 was not active then.",
    ),
    (
        {"products": {TEA: a_product(active=False)}},
        place(),
        "product_inactive",
        "lines.0.product_id: product 501 is not sold.",
    ),
    (
        {},
        place(lines=[a_placed_line(CUP, amount="1.00"), a_placed_line(amount="1.001")]),
        "amount_precision",
        "lines.1.amount: 1.001 has more decimals than CNY allows (2).",
    ),
    (
        {},
        place(lines=[a_placed_line(discount="0.005")]),
        "amount_precision",
        "lines.0.discount: 0.005 has more decimals than CNY allows (2).",
    ),
    (
        {},
        place(shipping=Decimal("0.001")),
        "amount_precision",
        "shipping: 0.001 has more decimals than CNY allows (2).",
    ),
    ({}, place(tax=Decimal("0.001")), "amount_precision", "tax: 0.001 has more decimals than CNY allows (2)."),
    ({}, place(total=Decimal("98.001")), "amount_precision", "total: 98.001 has more decimals than CNY allows (2)."),
    (
        {},
        place(lines=[a_placed_line(amount="10.00", discount="10.01")]),
        "discount_exceeds_amount",
        "lines.0.discount: 10.01 is more than the line's amount, 10.00.",
    ),
    (
        {},
        place(total=Decimal("97.99")),
        "total_mismatch",
        "total: lines, shipping and tax add up to 98.00, not 97.99.",
    ),
]


@pytest.mark.parametrize(
    ("world", "command", "reason", "detail"), BROKEN, ids=[f"{case[2]}-{case[3].split(':')[0]}" for case in BROKEN]
)
def test_a_broken_rule_is_refused_at_once_with_field_and_rule(
    world: dict[str, Any], command: v2.PlaceOrder, reason: str, detail: str
) -> None:
    state = order_state(**world)

    assert decide_place(state, message(command)) == refused(reason, detail, state)


def test_an_order_may_be_placed_within_the_clock_skew() -> None:
    assert decide_place(order_state(), message(place(placed_at=NOW + CLOCK_SKEW_MAX))).outcome == "accepted"


def test_a_discount_may_take_the_whole_line() -> None:
    command = place(lines=[a_placed_line(amount="10.00", discount="10.00")], total=Decimal("8.00"))

    assert decide_place(order_state(), message(command)).state.orders[KEY].net_minor == 0


class TestUnreadable:
    @staticmethod
    def unreadable(**data: Any) -> Unreadable:
        return Unreadable("m-1", "order.place.v2", "missing_field", "lines: Field required", b"{}", data=data)

    def test_an_order_with_its_ids_is_refused(self) -> None:
        detail = "lines: Field required"
        event = OrderRefused(shop_id=SHOP, order_id=ORDER, reason="invalid_message", detail=detail)

        assert refuse_unreadable_order(self.unreadable(shop_id=SHOP, order_id=ORDER)) == event

    def test_a_status_that_names_its_order_is_refused(self) -> None:
        item = replace(self.unreadable(shop_id=SHOP, order_id=ORDER, status=7), detail="status: unknown")
        event = StatusRefused(
            shop_id=SHOP, order_id=ORDER, status="7", reason="invalid_message", detail="status: unknown"
        )

        assert refuse_unreadable_status(item) == event

    @pytest.mark.parametrize(
        "data",
        [
            {},
            {"shop_id": SHOP},
            {"order_id": ORDER},
            {"shop_id": "no shop", "order_id": ORDER},
            {"shop_id": 7},
            {"shop_id": "no shop", "order_id": "no order"},
        ],
    )
    def test_a_message_without_its_ids_is_dead_lettered(self, data: dict[str, Any]) -> None:
        assert refuse_unreadable_order(self.unreadable(**data)) is None
        assert refuse_unreadable_status(self.unreadable(**data)) is None
