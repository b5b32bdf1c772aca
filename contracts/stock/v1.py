"""Stock messages, version 1. Quantities are whole units of the product."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from contracts.fields import (
    GIVEN_MAX,
    QUANTITY_MAX,
    Code,
    Detail,
    IsoDate,
    OrderId,
    ProductId,
    Quantity,
    Reference,
    ShopId,
    Zone,
)
from contracts.subjects import OfOrder, OfProduct
from contracts.wire.envelope import Command, Event, Refusal, Timestamp

BatchId = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="The lot. Shops without lots leave it out.",
        examples=["lot-2026-11"],
    ),
]

OnHand = Annotated[
    int,
    Field(
        strict=True,
        ge=0,
        le=QUANTITY_MAX,
        description="Units of the lot on hand, including reserved ones.",
        examples=[120],
    ),
]


_ZONE = (
    "The time zone of IANA in which the last days of the product's lots end; it stays as it is if absent, UTC at first."
)


class ReceiveStock(OfProduct, Command, type="stock.receive.v1"):
    """Goods were received. `receipt_id` makes the same receipt count once.

    A lot is named by `batch_id`; `expiry_date` is its last day of sale. `low_at` sets the alert threshold of
    the product and `recovered_at` (default: twice that) where the alert ends; both stay as they are if absent.
    """

    receipt_id: Reference
    product_id: ProductId
    quantity: Quantity
    batch_id: BatchId = "default"
    expiry_date: Annotated[
        IsoDate | None, Field(description="The lot's last day of sale; if absent, the lot does not expire.")
    ] = None
    low_at: Annotated[
        Annotated[int, Field(strict=True, ge=0, le=QUANTITY_MAX)] | None,
        Field(
            description="The alert threshold: this many available units or fewer; stays as it is if absent.",
            examples=[20],
        ),
    ] = None
    recovered_at: Annotated[
        Annotated[int, Field(strict=True, ge=0, le=2 * QUANTITY_MAX)] | None,
        Field(description="The alert ends at this many available units; by default twice `low_at`.", examples=[40]),
    ] = None
    zone: Annotated[Zone | None, Field(description=_ZONE)] = None


class AdjustStock(OfProduct, Command, type="stock.adjust.v1"):
    """A count found more or less than the books; `delta` is signed, and takes no more than the lot has.

    The rest may be less than is reserved: see `stock.shortage-changed`.
    """

    adjustment_id: Reference
    product_id: ProductId
    batch_id: BatchId = "default"
    delta: Annotated[
        int,
        Field(
            strict=True,
            ge=-QUANTITY_MAX,
            le=QUANTITY_MAX,
            description="Units found beyond the books; negative if missing.",
            examples=[-2],
        ),
    ]


class SetStock(OfProduct, Command, type="stock.set.v1"):
    """Set a lot's units on hand to the result of a count, which includes reserved ones.

    The result may be less than is reserved: see `stock.shortage-changed`. A repeated
    `reference` counts once. The lot's expiry date becomes the given one, or stays as it is if absent.
    """

    reference: Reference
    product_id: ProductId
    batch_id: BatchId = "default"
    on_hand: OnHand
    expiry_date: Annotated[
        IsoDate | None, Field(description="The lot's last day of sale; if absent, it stays as it is.")
    ] = None
    zone: Annotated[Zone | None, Field(description=_ZONE)] = None


class StockReceived(OfProduct, Event, type="stock.received.v1"):
    receipt_id: Reference
    product_id: ProductId
    quantity: Quantity
    on_hand: Annotated[
        StrictInt, Field(description="Units on hand afterwards, including reserved ones.", examples=[120])
    ]
    available: Annotated[StrictInt, Field(description="On hand minus reserved, afterwards.", examples=[100])]


class StockAdjusted(OfProduct, Event, type="stock.adjusted.v1"):
    """The books were corrected, by an adjustment or by a count; `adjustment_id` is the reference of either."""

    adjustment_id: Reference
    product_id: ProductId
    delta: Annotated[StrictInt, Field(description="Units added to the books; negative if removed.", examples=[-2])]
    on_hand: Annotated[
        StrictInt, Field(description="Units on hand afterwards, including reserved ones.", examples=[120])
    ]
    available: Annotated[
        StrictInt, Field(description="On hand minus reserved, afterwards; never negative.", examples=[100])
    ]
    short: Annotated[
        StrictInt | None,
        Field(description="Units reserved beyond the stock afterwards; absent if there is no shortage."),
    ] = None


class StockRefused(OfProduct, Refusal, type="stock.refused.v1"):
    """A receipt, adjustment or count was not booked."""

    reference: Reference
    product_id: ProductId
    reason: Code
    detail: Detail
    given_reference: Annotated[
        str | None,
        Field(
            max_length=GIVEN_MAX,
            description="The reference as it was sent, cut to 256 characters, if it is not a valid one. `reference` is "
            "then derived from it.",
            examples=["receipt no. 42"],
        ),
    ] = None


class Pick(BaseModel):
    """A part of a reservation: units of one product from one lot."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    product_id: ProductId
    batch_id: BatchId
    quantity: Quantity


class Shortage(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    product_id: ProductId
    wanted: Annotated[StrictInt, Field(examples=[3])]
    available: Annotated[StrictInt, Field(examples=[1])]


class StockReserved(OfOrder, Event, type="stock.reserved.v1"):
    """All lines of the order are reserved; duplicate lines of a product were added up first."""

    shop_id: ShopId
    order_id: OrderId
    picks: tuple[Pick, ...]


class StockShort(OfOrder, Event, type="stock.short.v1"):
    """At least one product is short, so nothing was reserved."""

    shop_id: ShopId
    order_id: OrderId
    shortages: tuple[Shortage, ...]


class StockReleased(OfOrder, Event, type="stock.released.v1"):
    """A reservation was released, or shipped goods came back into stock."""

    shop_id: ShopId
    order_id: OrderId
    picks: tuple[Pick, ...]


Crossing = Annotated[
    StrictInt,
    Field(description="The number of threshold crossings of the product; the highest is the newest.", examples=[1]),
]


class StockLow(OfProduct, Event, type="stock.low.v1"):
    """Available fell to `low_at` or below. Sent once; sent again only after a recovery."""

    product_id: ProductId
    available: Annotated[StrictInt, Field(examples=[20])]
    low_at: Annotated[StrictInt, Field(examples=[20])]
    crossing: Crossing


class StockRecovered(OfProduct, Event, type="stock.recovered.v1"):
    product_id: ProductId
    available: Annotated[StrictInt, Field(examples=[120])]
    recovered_at: Annotated[StrictInt, Field(examples=[40])]
    crossing: Crossing


class StockExpiring(OfProduct, Event, type="stock.expiring.v1"):
    """Units on hand are close to their last day of sale: sent once, and once more, with 0 units, when none are left.

    A lot is among them from seven days before its last day of sale until that day has passed.
    """

    product_id: ProductId
    units: Annotated[StrictInt, Field(description="Units on hand in such lots, reserved ones included.", examples=[12])]
    expires_on: Annotated[IsoDate | None, Field(description="The first of their last days of sale.")] = None
    crossing: Annotated[
        StrictInt,
        Field(
            description="The number of such messages, with those of `stock.expired`; the highest is the newest.",
            examples=[1],
        ),
    ]


class StockExpired(OfProduct, Event, type="stock.expired.v1"):
    """Units on hand are past their last day of sale: sent once, and once more, with 0 units, when none are left."""

    product_id: ProductId
    units: Annotated[StrictInt, Field(description="Units on hand in such lots, reserved ones included.", examples=[12])]
    expires_on: Annotated[IsoDate | None, Field(description="The first of their last days of sale.")] = None
    crossing: Annotated[
        StrictInt,
        Field(
            description="The number of such messages, with those of `stock.expiring`; the highest is the newest.",
            examples=[1],
        ),
    ]


Request = Annotated[
    StrictInt, Field(description="The number of the request for this product, which the answer repeats.", examples=[1])
]


class StockShortageChanged(OfProduct, Event, type="stock.shortage-changed.v1"):
    """More is reserved than in stock, after a count or a lot's last day; 0 when the stock covers it again."""

    product_id: ProductId
    shortage: Annotated[StrictInt, Field(description="Reserved units that no lot can serve.", examples=[3])]
    on_hand: Annotated[StrictInt, Field(description="Units on hand, in all lots.", examples=[17])]
    reserved: Annotated[StrictInt, Field(description="Units reserved for orders.", examples=[20])]
    crossing: Annotated[
        StrictInt,
        Field(description="The number of such changes of the product; the highest is the newest.", examples=[1]),
    ]


class StockReleaseRequested(OfProduct, Event, type="stock.release-requested.v1"):
    """More of a product is reserved than in stock: the newest unpaid orders are to be cancelled.

    Orders are searched from the newest to the oldest, a page at a time; `after_order` is where the last page ended.
    """

    product_id: ProductId
    request: Request
    shortage: Annotated[StrictInt, Field(description="Units that must become free.", examples=[3])]
    after_placed_at: Annotated[
        Timestamp | None, Field(description="When the last order of the previous page was placed.")
    ] = None
    after_order: Annotated[
        str | None,
        Field(
            description="The last order of the previous page, by shop and order id.", examples=["shop-367/31198459904"]
        ),
    ] = None
