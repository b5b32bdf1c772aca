"""The refusal of an invalid id repeats that id, so that the sender recognises it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contracts.orders.v1 import AfterSaleRefused, OrderRefused, RefundRefused, StatusRefused
from contracts.orders.v2 import PlaceOrder
from contracts.stock.v1 import StockRefused
from contracts.wire.envelope import Payload
from contracts.wire.reading import Reader
from contracts.wire.refusal import Unreadable
from tests.builders import NOW, SHOP, TEA, place
from tests.stock_builders import adjust, count, receive
from workers.order_intake.decide import (
    refuse_unreadable_after_sale,
    refuse_unreadable_order,
    refuse_unreadable_refund,
    refuse_unreadable_status,
)
from workers.stock_reservation.decide import refuse_unreadable as refuse_unreadable_stock

ODD = ["订单 31198459904", "a/b", "x" * 65, "a\n", "\u0000"]


def unreadable(**data: Any) -> Unreadable:
    return Unreadable("m-1", "any", "invalid_value", "order_id: not such", b"{}", data=data)


@pytest.mark.parametrize("given", ["", *ODD])
def test_every_refusal_of_an_order_repeats_its_id(given: str) -> None:
    item = unreadable(shop_id=SHOP, order_id=given, status="paid", refund_id="r-1")
    answers = [
        refuse(item)
        for refuse in (
            refuse_unreadable_order,
            refuse_unreadable_status,
            refuse_unreadable_refund,
            refuse_unreadable_after_sale,
        )
    ]
    assert [type(answer) for answer in answers] == [OrderRefused, StatusRefused, RefundRefused, AfterSaleRefused]
    order_ids: set[str] = set()
    for answer in answers:
        assert answer is not None
        fields = answer.model_dump()
        assert (fields["shop_id"], fields["given_order_id"], fields["reason"]) == (SHOP, given, "invalid_message")
        order_ids.add(fields["order_id"])
    [order_id] = order_ids
    assert order_id.startswith("unreadable-")
    assert order_id != _order_id(refuse_unreadable_order(unreadable(shop_id=SHOP, order_id=given + "?")))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        ({"订": 1}, '{"订": 1}'),
        ([], "[]"),
        ([["x"]], '[["x"]]'),
    ],
)
def test_an_id_that_is_not_text_is_repeated_as_json(value: object, text: str) -> None:
    answer = refuse_unreadable_order(unreadable(shop_id=SHOP, order_id=value))

    assert isinstance(answer, OrderRefused)
    assert (answer.shop_id, answer.given_order_id) == (SHOP, text)
    assert answer.order_id.startswith("unreadable-")


def test_without_any_id_there_is_no_refusal() -> None:
    assert refuse_unreadable_order(unreadable(shop_id=SHOP)) is None


def _order_id(answer: Payload | None) -> str:
    assert isinstance(answer, OrderRefused)
    return answer.order_id


@pytest.mark.parametrize("given", ODD)
def test_the_refusal_of_a_bare_order_repeats_its_id(given: str) -> None:
    body = json.dumps({**place().model_dump(mode="json"), "order_id": given}).encode()
    [item] = Reader([PlaceOrder]).read(body, content_type=None, routing_key="order.place.v2", received_at=NOW)
    assert isinstance(item, Unreadable)
    answer = refuse_unreadable_order(item)
    assert isinstance(answer, OrderRefused)
    assert (answer.given_order_id, answer.detail.partition(":")[0]) == (given, "order_id")


def test_a_long_id_is_truncated() -> None:
    answer = refuse_unreadable_order(unreadable(shop_id=SHOP, order_id="x" * 3000))
    assert isinstance(answer, OrderRefused)
    assert answer.given_order_id == "x" * 256


@pytest.mark.parametrize("name", ["receipt_id", "adjustment_id", "reference"])
@pytest.mark.parametrize("given", ["", *ODD])
def test_a_refusal_of_stock_repeats_the_reference(name: str, given: str) -> None:
    answer = refuse_unreadable_stock(unreadable(product_id=TEA, **{name: given}))
    assert isinstance(answer, StockRefused)
    assert (answer.product_id, answer.given_reference) == (TEA, given)
    assert answer.reference.startswith("unreadable-")


@pytest.mark.parametrize(
    ("command", "name"), [(receive(), "receipt_id"), (adjust(), "adjustment_id"), (count(), "reference")]
)
@pytest.mark.parametrize(("sent", "text"), [(None, "null"), ("", ""), (7, "7"), ([], "[]")])
def test_a_stock_command_with_an_invalid_reference_is_answered(
    command: Payload, name: str, sent: object, text: str
) -> None:
    body = json.dumps({**command.model_dump(mode="json", exclude_none=True), name: sent}).encode()
    kind = type(command)
    [item] = Reader([kind]).read(body, content_type=None, routing_key=kind.message_type, received_at=NOW)
    assert isinstance(item, Unreadable)

    answer = refuse_unreadable_stock(item)

    assert isinstance(answer, StockRefused)
    assert (answer.given_reference, answer.detail.partition(":")[0]) == (text, name)
    assert answer.reference.startswith("unreadable-")


def test_the_first_reference_that_is_neither_null_nor_empty_is_repeated() -> None:
    answer = refuse_unreadable_stock(unreadable(product_id=TEA, receipt_id=None, adjustment_id="", reference="r-1"))
    assert isinstance(answer, StockRefused)
    assert (answer.reference, answer.given_reference) == ("r-1", None)


def test_a_stock_command_without_any_reference_has_no_refusal() -> None:
    assert refuse_unreadable_stock(unreadable(product_id=TEA)) is None
