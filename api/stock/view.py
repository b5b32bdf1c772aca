"""Stock, as shown: on hand, reserved and available, by product and by lot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from api.http.ids import ShownId
from api.http.problems import Problem
from contracts.catalog.view import PRODUCTS
from contracts.stock.view import ITEMS, Lot, StockItem
from infra.ports.store import Document, Reader
from infra.runtime.repository import Codec

_items = Codec(StockItem, key="product_id")


class _Figures(BaseModel):
    on_hand: int = Field(
        description="Units on hand, including reserved ones; negative if more was shipped than was counted.",
        examples=[120],
    )
    reserved: int = Field(description="Units reserved for orders that have not shipped yet.", examples=[20])
    available: int = Field(description="On hand minus reserved; never negative.", examples=[100])


class LotView(_Figures):
    model_config = ConfigDict(title="Lot")

    batch_id: str = Field(examples=["lot-2026-11"])
    expiry_date: str | None = Field(description="The last day of sale.", examples=["2027-03-31"])
    sellable: bool = Field(description="False once its last day of sale is over, in `zone`.", examples=[True])


class StockView(_Figures):
    model_config = ConfigDict(title="Stock")

    product_id: ShownId = Field(examples=[1082185])
    sellable: int = Field(description="Available in lots that may be sold today.", examples=[100])
    short: int = Field(
        description="Units reserved beyond those in lots that may be sold today. The newest unpaid orders are "
        "cancelled for them; the rest is reserved for paid ones.",
        examples=[0],
    )
    low: bool = Field(
        description="Whether it runs low; units that expire within three days do not count.", examples=[False]
    )
    low_at: int = Field(description="It runs low at this many units; 0 without an alert.", examples=[20])
    recovered_at: int = Field(description="It has recovered at this many units.", examples=[40])
    zone: str = Field(description="The time zone of its days.", examples=["UTC"])
    lots: list[LotView] = Field(description="By expiry date, the earliest first.")


def stock_view(item: StockItem, now: datetime) -> StockView:
    return StockView(
        product_id=item.product_id,
        on_hand=item.on_hand,
        reserved=item.reserved,
        available=item.available,
        sellable=item.sellable(now),
        short=item.shortage(now),
        low=item.low,
        low_at=item.low_at,
        recovered_at=item.recovered_at,
        zone=item.zone,
        lots=[_lot_view(lot, item.day_of(now)) for lot in item.lots],
    )


def _lot_view(lot: Lot, day: str) -> LotView:
    return LotView(
        batch_id=lot.batch_id,
        expiry_date=lot.expires_on,
        on_hand=lot.on_hand,
        reserved=lot.reserved,
        available=lot.available,
        sellable=lot.sells_on(day),
    )


def item_of(document: Document) -> StockItem:
    return _items.to_entity(document)


async def find_stock(reader: Reader, product_id: int) -> StockItem:
    """The stock of a product; empty if it never had any. Raises Problem not_found for an unknown product."""
    found = await reader.find(ITEMS, {"_id": product_id}, limit=1)
    if found:
        return item_of(found[0])
    await require_product(reader, product_id)
    return StockItem(product_id)


async def require_product(reader: Reader, product_id: int) -> None:
    """Raises Problem not_found."""
    if not await known_products(reader, [product_id]):
        raise Problem("not_found")


async def known_products(reader: Reader, product_ids: Sequence[int]) -> set[int]:
    """Those that are in the catalogue."""
    found = await reader.find(PRODUCTS, {"_id": {"$in": list(product_ids)}}, fields=("_id",)) if product_ids else []
    return {document["_id"] for document in found}
