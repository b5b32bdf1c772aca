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
        description="Units of the lot in the house, reserved ones too.",
        examples=[120],
    ),
]


class ReceiveStock(OfProduct, Command, type="stock.receive.v1"):
    """Goods came in. `receipt_id` makes the same receipt count once.

    A lot is named by `batch_id`; `expiry_date` is its last day of sale. `low_at` sets the alert threshold of
    the product and `recovered_at` (default: twice that) where the alert ends; both stay as they are if absent.
    """

    receipt_id: Reference
    product_id: ProductId
    quantity: Quantity
    batch_id: BatchId = "default"
    expiry_date: Annotated[IsoDate | None, Field(description="The lot's last day of sale; none where absent.")] = None
    low_at: Annotated[
        Annotated[int, Field(strict=True, ge=0, le=QUANTITY_MAX)] | None,
        Field(description="Alert when so few units or less are available; stays as it is if absent.", examples=[20]),
    ] = None
    recovered_at: Annotated[
        Annotated[int, Field(strict=True, ge=0, le=2 * QUANTITY_MAX)] | None,
        Field(description="The alert ends at so many; by default at twice `low_at`.", examples=[40]),
    ] = None


class AdjustStock(OfProduct, Command, type="stock.adjust.v1"):
    """A count found more or less than the books; `delta` is signed, and takes no more than the lot has.

    What it leaves may be less than is reserved: see `stock.shortage-changed`.
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
            description="Units found beyond the books, or missing where negative.",
            examples=[-2],
        ),
    ]


class SetStock(OfProduct, Command, type="stock.set.v1"):
    """A count found so many units of a lot in the house, reserved ones too; the books follow, whatever they said.

    That may be less than is reserved: see `stock.shortage-changed`. `reference` makes the same count count once. The
    lot's expiry date becomes the given one, and stays as it is if absent.
    """

    reference: Reference
    product_id: ProductId
    batch_id: BatchId = "default"
    on_hand: OnHand
    expiry_date: Annotated[IsoDate | None, Field(description="The lot's last day of sale; as it is if absent.")] = None


class StockReceived(OfProduct, Event, type="stock.received.v1"):
    receipt_id: Reference
    product_id: ProductId
    quantity: Quantity
    on_hand: Annotated[
        StrictInt, Field(description="Units in the house afterwards, reserved ones too.", examples=[120])
    ]
    available: Annotated[StrictInt, Field(description="On hand minus reserved, afterwards.", examples=[100])]


class StockAdjusted(OfProduct, Event, type="stock.adjusted.v1"):
    """The books were corrected, by an adjustment or by a count; `adjustment_id` is the reference of either."""

    adjustment_id: Reference
    product_id: ProductId
    delta: Annotated[StrictInt, Field(description="Units added to the books, or taken where negative.", examples=[-2])]
    on_hand: Annotated[
        StrictInt, Field(description="Units in the house afterwards, reserved ones too.", examples=[120])
    ]
    available: Annotated[
        StrictInt, Field(description="On hand minus reserved, afterwards; never negative.", examples=[100])
    ]
    short: Annotated[
        StrictInt | None,
        Field(description="Units reserved for orders beyond what there is, afterwards; absent where all is there."),
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
            description="The id of the act as it was sent, cut to 256 characters, where it is none that an act can "
            "have. `reference` is one made from it then.",
            examples=["receipt no. 42"],
        ),
    ] = None


class Pick(BaseModel):
    """A part of a reservation: so many units of one product out of one lot."""

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
    """All lines of the order are set apart; duplicate lines of a product were added up first."""

    shop_id: ShopId
    order_id: OrderId
    picks: tuple[Pick, ...]


class StockShort(OfOrder, Event, type="stock.short.v1"):
    """At least one product is wanting, so nothing at all was reserved."""

    shop_id: ShopId
    order_id: OrderId
    shortages: tuple[Shortage, ...]


class StockReleased(OfOrder, Event, type="stock.released.v1"):
    """A reservation was given back, or shipped goods came back into stock."""

    shop_id: ShopId
    order_id: OrderId
    picks: tuple[Pick, ...]


Crossing = Annotated[
    StrictInt,
    Field(description="Counts the threshold crossings of the product, so that the newest is known.", examples=[1]),
]


class StockLow(OfProduct, Event, type="stock.low.v1"):
    """Available fell to `low_at` or below. Said once; said again only after a recovery."""

    product_id: ProductId
    available: Annotated[StrictInt, Field(examples=[20])]
    low_at: Annotated[StrictInt, Field(examples=[20])]
    crossing: Crossing


class StockRecovered(OfProduct, Event, type="stock.recovered.v1"):
    product_id: ProductId
    available: Annotated[StrictInt, Field(examples=[120])]
    recovered_at: Annotated[StrictInt, Field(examples=[40])]
    crossing: Crossing


Request = Annotated[
    StrictInt, Field(description="Counts the requests of the product, so that an answer finds its own.", examples=[1])
]


class StockShortageChanged(OfProduct, Event, type="stock.shortage-changed.v1"):
    """What is reserved came to exceed what there is, by a count or by a lot's last day, or fits again (0)."""

    product_id: ProductId
    shortage: Annotated[
        StrictInt, Field(description="Units reserved beyond those that orders can be served from.", examples=[3])
    ]
    on_hand: Annotated[StrictInt, Field(description="Units in the house, in all lots.", examples=[17])]
    reserved: Annotated[StrictInt, Field(description="Units set apart for orders.", examples=[20])]
    crossing: Annotated[
        StrictInt, Field(description="Counts these changes of the product, so that the newest is known.", examples=[1])
    ]


class StockReleaseRequested(OfProduct, Event, type="stock.release-requested.v1"):
    """More of a product is reserved than there is: the newest unpaid orders have to give up their units.

    Orders are asked from the newest to the oldest, a page at a time; `after_order` is where the last page ended.
    """

    product_id: ProductId
    request: Request
    shortage: Annotated[StrictInt, Field(description="Units that must become free.", examples=[3])]
    after_placed_at: Annotated[
        Timestamp | None, Field(description="When the last order of the page before this one was placed.")
    ] = None
    after_order: Annotated[
        str | None, Field(description="That order, by shop and order id.", examples=["shop-367/31198459904"])
    ] = None
