"""Shops, as shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.access.scope import NOTHING
from api.http.paging import Sorting
from api.http.problems import Problem
from api.identity.principal import Principal
from contracts.network.view import SHOPS, UNPAID_ORDERS_MAX, UNPAID_UNITS_MAX
from infra.ports.store import Document, Reader

BY_ID = Sorting("_id", str)


class ShopView(BaseModel):
    model_config = ConfigDict(title="Shop")

    shop_id: str = Field(examples=["shop-367"])
    currency: str = Field(description="The currency of all its orders; it never changes.", examples=["CNY"])
    payment_deadline_s: int = Field(description="Seconds until an unpaid order is cancelled.", examples=[1800])
    market: str = Field(description="The market whose law and rules its orders follow.", examples=["default"])
    history_from: datetime | None = Field(
        description="Orders placed since then may be entered as past orders; null if none may.",
        examples=["2024-01-01T00:00:00Z"],
    )
    distributor_orders: bool | None = Field(
        description="Whether distributors may place orders; null: only if it is the default shop.", examples=[True]
    )
    distributor_unpaid_orders_max: int = Field(
        description="How many unpaid orders a distributor's login may have.", examples=[20]
    )
    distributor_unpaid_units_max: int = Field(
        description="How many units these orders may hold together.", examples=[100]
    )


def shops_filter(principal: Principal) -> dict[str, Any]:
    """The condition for shops: all for an administrator, itself for a shop, none for others."""
    if principal.kind == "admin":
        return {}
    if principal.kind == "shop" and principal.shop_id is not None:
        return {"_id": principal.shop_id}
    return NOTHING


def shop_view(document: Document) -> ShopView:
    return ShopView(
        shop_id=document["_id"],
        currency=document["currency"],
        payment_deadline_s=document["payment_deadline_s"],
        market=document.get("market", "default"),
        history_from=document.get("history_from"),
        distributor_orders=document.get("distributor_orders"),
        distributor_unpaid_orders_max=document.get("distributor_unpaid_orders_max", UNPAID_ORDERS_MAX),
        distributor_unpaid_units_max=document.get("distributor_unpaid_units_max", UNPAID_UNITS_MAX),
    )


async def known_shop(reader: Reader, principal: Principal, shop_id: str) -> ShopView | None:
    """The shop, if it exists and is within reach."""
    found = await reader.find(SHOPS, {"$and": [{"_id": shop_id}, shops_filter(principal)]}, limit=1)
    return shop_view(found[0]) if found else None


async def find_shop(reader: Reader, principal: Principal, shop_id: str) -> ShopView:
    """Raises Problem not_found."""
    shop = await known_shop(reader, principal, shop_id)
    if shop is None:
        raise Problem("not_found")
    return shop
