"""Deliveries as the broker hands them over, with defaults."""

from __future__ import annotations

import json
from typing import Any

from contracts.wire.envelope import STRUCTURED
from infra.ports.messaging import Delivery, Sender
from tests.builders import NOW

SHOP, OTHER = "store-a", "store-a.b"
"""One id begins like the other."""
PLACE_V1 = "order.place.v1"


def an_order(shop_id: str = SHOP, order_id: str = "1001", **fields: Any) -> dict[str, Any]:
    """The data of an order in version 1."""
    order = {"distributor_id": 3, "product_id": 501, "quantity": 1, "total_price": "98.00"}
    return {"shop_id": shop_id, "order_id": order_id, **order, **fields}


def in_envelope(data: dict[str, Any], message_id: str = "m-1", source: str = f"urn:shop:{SHOP}") -> dict[str, Any]:
    head = {"specversion": "1.0", "id": message_id, "source": source, "type": PLACE_V1, "time": NOW.isoformat()}
    return {**head, "data": data}


def as_bytes(content: object) -> bytes:
    return content if isinstance(content, bytes) else json.dumps(content).encode()


def delivered(content: object, *, content_type: str | None = STRUCTURED, **fields: Any) -> Delivery:
    """As from the login of SHOP, unless another sender is given."""
    defaults: dict[str, Any] = {
        "routing_key": PLACE_V1,
        "redelivered": False,
        "attempts": 0,
        "replays": 0,
        "returned": 0,
        "received_at": NOW,
        "receipt": 1,
        "sender": Sender(SHOP),
    }
    return Delivery(body=as_bytes(content), content_type=content_type, **{**defaults, **fields})
