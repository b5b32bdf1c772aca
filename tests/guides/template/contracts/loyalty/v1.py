"""Loyalty events, version 1."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contracts.fields import DistributorId, OrderId, ShopId
from contracts.subjects import OfOrder
from contracts.wire.envelope import Event


class PointsEarned(OfOrder, Event, type="points.earned.v1"):
    """A paid order earned its seller points."""

    shop_id: ShopId
    order_id: OrderId
    distributor_id: DistributorId
    points: Annotated[
        int, Field(strict=True, ge=1, le=10**14, description="One for each whole unit of net sales.", examples=[90])
    ]
