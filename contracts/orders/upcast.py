"""Older versions are read as the newest: each function lifts a payload by one version, and loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contracts.orders import v1 as orders_v1
from contracts.orders import v2 as orders_v2
from contracts.wire.envelope import Message, Payload, message_of


def _place_order_v1(old: orders_v1.PlaceOrder) -> orders_v2.PlaceOrder:
    return orders_v2.PlaceOrder(
        shop_id=old.shop_id,
        order_id=old.order_id,
        distributor_id=old.distributor_id,
        lines=(orders_v2.Line(product_id=old.product_id, quantity=old.quantity, amount=old.total_price),),
        total=old.total_price,
    )


UPCASTERS: dict[type[Payload], Callable[[Any], Payload]] = {orders_v1.PlaceOrder: _place_order_v1}


def upcast(message: Message[Any]) -> Message[Any]:
    """Return the message in its newest version; a message that is there already is returned as it is."""
    payload = message.data
    while lift := UPCASTERS.get(payload.__class__):
        payload = lift(payload)
    if payload is message.data:
        return message
    attributes = {name: getattr(message, name) for name in Message.model_fields}
    attributes.update(type=payload.message_type, data=payload)
    return message_of(payload.__class__).model_construct(**attributes)
