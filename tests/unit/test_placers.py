"""What a distributor may place who orders over HTTP; orders of shops and administrators are not affected."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from contracts.orders.placing import placer_of
from contracts.orders.v1 import OrderAccepted, OrderRefused
from contracts.orders.v2 import PlaceOrder
from contracts.orders.view import LISTS, unpaid_list
from contracts.wire.decision import Decision
from contracts.wire.reading import BARE_SOURCE
from tests.builders import (
    BY_DISTRIBUTOR,
    LOGIN,
    NOW,
    a_distributor,
    a_placed_line,
    a_shop,
    a_standing,
    by_id,
    message,
    order_state,
    place,
)
from workers.order_intake import decide
from workers.order_intake.model import Order, Placer, State
from workers.order_intake.placers import limit_of, limited_as
from workers.order_intake.repository import _orders

SHOP = replace(a_shop(), distributor_orders=True, distributor_unpaid_orders_max=3, distributor_unpaid_units_max=10)
NEW = Placer(LOGIN)
ELEVEN_UNITS = [a_placed_line(quantity=6), a_placed_line(quantity=5)]
ONE_FREE = [a_placed_line(), a_placed_line(amount="5.00", discount="5.00")]
OTHERS = ("api/admin/4f1c", "api/shop/shop.corner", "urn:shop:api/distributor/4f1c", "test", "api/registration")


def placed(command: PlaceOrder, placer: Placer | None = NEW, **shop: Any) -> Decision[State]:
    state = order_state(shop=replace(SHOP, **shop), placer=placer)
    answer = decide.place(state, message(command, source=BY_DISTRIBUTOR if placer else "urn:shop:shop-1"))
    assert isinstance(answer, Decision)
    return answer


def reason_of(answer: Decision[State]) -> str | None:
    [event] = answer.publish
    return event.reason if isinstance(event, OrderRefused) else None


def test_an_order_of_a_distributor_is_counted() -> None:
    answer = placed(place(), Placer(LOGIN, orders=1, units=4, turn=7))

    [order] = answer.state.orders.values()
    assert isinstance(answer.publish[0], OrderAccepted)
    assert (order.placed_by, answer.state.placer) == (LOGIN, Placer(LOGIN, orders=2, units=6, turn=8))


@pytest.mark.parametrize(
    ("command", "placer", "shop", "reason"),
    [
        (place(), Placer(LOGIN, orders=3), {}, "too_many_unpaid_orders"),
        (place(), Placer(LOGIN, orders=1, units=9), {}, "too_many_unpaid_units"),
        (
            place(lines=ELEVEN_UNITS),
            Placer(LOGIN),
            {},
            "too_many_unpaid_units",
        ),
        (place(), NEW, {"distributor_orders": False}, "distributors_not_accepted"),
        (place(prepaid=True), NEW, {}, "not_for_distributors"),
        (place(lines=[a_placed_line(amount="0")]), NEW, {}, "price_required"),
        (
            place(lines=ONE_FREE),
            Placer(LOGIN),
            {},
            "price_required",
        ),
        (place(lines=[a_placed_line(amount="0")], shipping=Decimal(9)), NEW, {}, "price_required"),
    ],
)
def test_an_order_that_a_distributor_may_not_place_is_refused(
    command: PlaceOrder, placer: Placer, shop: dict[str, Any], reason: str
) -> None:
    answer = placed(command, placer, **shop)

    assert reason_of(answer) == reason
    assert (dict(answer.state.orders), answer.state.placer) == ({}, placer)
    # Of a shop the same order is accepted.
    assert reason_of(placed(command, None, **shop)) is None


@pytest.mark.parametrize("placer", [Placer(LOGIN, orders=2, units=8), Placer(LOGIN, orders=0, units=8)])
def test_the_limits_themselves_are_allowed(placer: Placer) -> None:
    assert reason_of(placed(place(), placer)) is None


def test_a_repeat_is_recognised_whatever_the_limits() -> None:
    first = placed(place())
    again = decide.place(replace(first.state, placer=Placer(LOGIN, orders=99)), message(place(), source=BY_DISTRIBUTOR))

    assert again == Decision(replace(first.state, placer=Placer(LOGIN, orders=99)), outcome="duplicate")


def test_every_login_of_a_distributor_is_one_placer() -> None:
    for login in ("4f1c", "auth0|7", "https://idp.example/7", "7"):
        assert placer_of(f"api/distributor/{login}/40021") == "40021"
    assert placer_of("api/distributor/40021") == "40021"
    assert placer_of("api/distributor/4f1c/") == "4f1c/"


def test_only_the_api_sends_for_a_distributor() -> None:
    assert placer_of(BY_DISTRIBUTOR) == LOGIN
    for source in (
        "api/admin/4f1c",
        "api/shop/shop.corner",
        "urn:shop:api/distributor/4f1c",
        "test",
        "api/registration",
    ):
        assert placer_of(source) is None


@pytest.mark.parametrize(
    ("change", "is_listed"),
    [({}, True), ({"reserved": True}, True), ({"prepaid": True}, False), ({"status": "cancelled"}, False)],
)
def test_an_order_is_on_the_list_of_its_placer_while_it_is_unpaid(change: dict[str, Any], is_listed: bool) -> None:
    [order] = placed(place()).state.orders.values()
    lists = _orders.to_document(replace(order, **change))[LISTS]

    assert (unpaid_list(LOGIN) in lists) == is_listed
    assert isinstance(order, Order)


@pytest.mark.parametrize("source", ["urn:shop:shop-1", BARE_SOURCE])
def test_a_shop_takes_no_id_that_is_made_for_distributors(source: str) -> None:
    answer = decide.place(order_state(shop=SHOP), message(place("o-mine"), source=source))

    assert isinstance(answer, Decision)
    assert reason_of(answer) == "order_id_reserved"
    assert isinstance(placed(place("o-mine")).publish[0], OrderAccepted)


NEW_ONES = [a_standing(since=NOW - timedelta(days=6))]
AGED = [a_standing(since=NOW - timedelta(days=7))]


def test_a_new_distributor_has_the_limit_of_all_new_ones_below_an_older_one() -> None:
    network = by_id(
        a_distributor(1),
        a_distributor(2, 1, standings=AGED),
        a_distributor(3, 2, standings=NEW_ONES),
        a_distributor(4, 3, standings=NEW_ONES),
        a_distributor(5, 2, standings=NEW_ONES),
        a_distributor(6, 1, standings=NEW_ONES),
    )
    limited = {each: limited_as(str(each), network, NOW) for each in network}

    assert limited == {1: "1", 2: "2", 3: "below/2", 4: "below/2", 5: "below/2", 6: "below/1"}
    assert limited_as("3", network, NOW + timedelta(days=1)) == "3"


def test_the_top_of_a_network_is_not_new_and_a_long_new_branch_is_one() -> None:
    network = by_id(*(a_distributor(n, n - 1 or None, standings=NEW_ONES) for n in range(1, 40)))

    assert limited_as("1", network, NOW) == "1"
    assert limited_as("30", network, NOW) == "below/1"
    assert {limited_as(str(n), network, NOW) for n in range(31, 40)} == {"below/"}


def test_a_login_without_a_number_is_limited_as_itself() -> None:
    assert [limited_as(each, {}, NOW) for each in (LOGIN, "7")] == [LOGIN, "7"]


NEW_TEN = {"distributor_unpaid_orders_max": 40, "distributor_unpaid_units_max": 100}


def test_one_new_distributor_uses_up_a_quarter_of_the_limit_that_all_share() -> None:
    placer: Placer | None = Placer("below/2", orders=12, units=24)
    for number in range(10):
        answer = placed(place(f"o-{number}"), placer, **NEW_TEN)
        [order] = answer.state.orders.values()
        assert order.placed_by == f"below/2/{LOGIN}"
        assert _orders.to_document(order)[LISTS].count(unpaid_list("below/2")) == 1
        placer = answer.state.placer
    assert placer == Placer("below/2", orders=22, units=44, turn=10, shares={LOGIN: (10, 20)})

    [event] = placed(place("o-11"), placer, **NEW_TEN).publish
    assert isinstance(event, OrderRefused)
    assert (event.reason, event.detail) == (
        "too_many_unpaid_orders",
        "order_id: you have 10 unpaid orders, and shop shop-1 allows in the first 7 days 10; wait until one is paid or "
        "cancelled.",
    )
    another = Placer("below/2", orders=22, units=44, shares={"another": (10, 20)})
    assert isinstance(placed(place("o-11"), another, **NEW_TEN).publish[0], OrderAccepted)


def test_one_new_distributor_holds_a_quarter_of_the_units() -> None:
    held = Placer("below/2", orders=1, units=24, shares={LOGIN: (1, 24)})
    assert reason_of(placed(place(), held, **NEW_TEN)) == "too_many_unpaid_units"


def test_an_order_is_counted_for_the_limit_and_for_its_distributor() -> None:
    assert [limit_of(each) for each in ("below/2/7", "below//7", "below/2", "7", "a/b/c")] == [
        ("below/2", "7"),
        ("below/", "7"),
        ("below/2", ""),
        ("7", ""),
        ("a/b/c", ""),
    ]


def test_a_refusal_names_those_who_share_the_limit() -> None:
    [event] = placed(place(), Placer("below/2", orders=3)).publish
    assert isinstance(event, OrderRefused)
    assert event.detail is not None
    assert "you and others who registered in the last 7 days in your branch have 3 unpaid orders" in event.detail
