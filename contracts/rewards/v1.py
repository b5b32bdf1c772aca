"""Reward events, version 1. A month is the calendar month, in UTC, of the orders' `placed_at`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contracts.envelope import Event
from contracts.fields import Amount, Code, Currency, Id64, SignedAmount
from contracts.subjects import OfDistributor

Month = Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$", examples=["2026-11"])]


class RewardGranted(OfDistributor, Event, type="reward.granted.v1"):
    """Own sales of the month reached the target; `rule_version` is that of the order that crossed it."""

    distributor_id: Id64
    month: Month
    currency: Currency
    reward: Code
    target: Amount
    sales: SignedAmount
    bonus: Amount
    rule_version: int


class RewardRevoked(OfDistributor, Event, type="reward.revoked.v1"):
    """A cancellation took the month's sales below the target again."""

    distributor_id: Id64
    month: Month
    currency: Currency
    reward: Code
    target: Amount
    sales: SignedAmount
    bonus: Amount
    rule_version: int
