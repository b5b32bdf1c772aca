"""Network messages, version 1."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contracts.envelope import Command, Event, Timestamp
from contracts.fields import Code, Currency, Detail, DistributorId, Id64, ShopId
from contracts.subjects import OfDistributor, OfShop

Tier = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$", description="The distributor's rank.", examples=["standard"]),
]
SponsorId = Annotated[
    Id64 | None,
    Field(description="Who brought the distributor in; absent at the top of the network.", examples=[40007]),
]


PaymentDeadline = Annotated[
    int,
    Field(ge=60, le=30 * 86_400, description="Seconds until an unpaid order is cancelled.", examples=[1800]),
]


class RegisterShop(OfShop, Command, type="shop.register.v1"):
    """A shop and the currency its orders are in. Registering it again changes the payment deadline only."""

    shop_id: ShopId
    currency: Currency
    payment_deadline_s: PaymentDeadline = 1800


class ShopRegistered(OfShop, Event, type="shop.registered.v1"):
    shop_id: ShopId
    currency: Currency
    payment_deadline_s: PaymentDeadline = 1800


class ShopRefused(OfShop, Event, type="shop.refused.v1"):
    shop_id: ShopId
    reason: Code
    detail: Detail


class RegisterDistributor(OfDistributor, Command, type="distributor.register.v1"):
    """A distributor joins under a sponsor, or at the top without one."""

    distributor_id: DistributorId
    sponsor_id: SponsorId = None
    tier: Tier = "standard"
    joined_at: Annotated[Timestamp | None, Field(description="The message's time where absent.")] = None


class ChangeDistributor(OfDistributor, Command, type="distributor.change.v1"):
    """Give a distributor another tier, or switch it on or off; what is absent stays. It holds from `effective_at`."""

    distributor_id: DistributorId
    tier: Annotated[Tier | None, Field(description="Stays as it is if absent.")] = None
    active: Annotated[bool | None, Field(description="Whether the distributor earns; stays as it is if absent.")] = None
    effective_at: Annotated[
        Timestamp | None, Field(description="From when the change holds; the message's time where absent.")
    ] = None


class DistributorRegistered(OfDistributor, Event, type="distributor.registered.v1"):
    distributor_id: DistributorId
    sponsor_id: SponsorId = None
    tier: Tier
    joined_at: Timestamp


class DistributorChanged(OfDistributor, Event, type="distributor.changed.v1"):
    distributor_id: DistributorId
    tier: Tier
    active: bool
    effective_at: Timestamp


class DistributorRefused(OfDistributor, Event, type="distributor.refused.v1"):
    distributor_id: DistributorId
    reason: Code
    detail: Detail
