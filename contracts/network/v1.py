"""Network messages, version 1."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contracts.envelope import Command, Event, Timestamp
from contracts.fields import Code, Currency, Id64, ShopId
from contracts.subjects import OfDistributor, OfShop

Tier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$", examples=["standard"])]


class RegisterShop(OfShop, Command, type="shop.register.v1"):
    """A shop and the currency its orders are in. Registering the same shop again changes nothing."""

    shop_id: ShopId
    currency: Currency


class ShopRegistered(OfShop, Event, type="shop.registered.v1"):
    shop_id: ShopId
    currency: Currency


class ShopRefused(OfShop, Event, type="shop.refused.v1"):
    shop_id: ShopId
    reason: Code
    detail: str


class RegisterDistributor(OfDistributor, Command, type="distributor.register.v1"):
    """A distributor joins under a sponsor, or at the top without one."""

    distributor_id: Id64
    sponsor_id: Id64 | None = None
    tier: Tier = "standard"
    joined_at: Timestamp | None = None


class ChangeDistributor(OfDistributor, Command, type="distributor.change.v1"):
    """Give a distributor another tier, or switch it on or off; what is absent stays. It holds from `effective_at`."""

    distributor_id: Id64
    tier: Tier | None = None
    active: bool | None = None
    effective_at: Timestamp | None = None


class DistributorRegistered(OfDistributor, Event, type="distributor.registered.v1"):
    distributor_id: Id64
    sponsor_id: Id64 | None
    tier: Tier
    joined_at: Timestamp


class DistributorChanged(OfDistributor, Event, type="distributor.changed.v1"):
    distributor_id: Id64
    tier: Tier
    active: bool
    effective_at: Timestamp


class DistributorRefused(OfDistributor, Event, type="distributor.refused.v1"):
    distributor_id: Id64
    reason: Code
    detail: str
