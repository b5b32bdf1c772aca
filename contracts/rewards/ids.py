"""How rewards and their months are named."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictBool

from contracts.fields import MarketName

Month = Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", examples=["2026-11"])]

MarketOfMonth = Annotated[
    MarketName | None, Field(description="The market whose sales and targets count. Absent for the default market.")
]
RewardId = Annotated[
    str,
    Field(
        max_length=256,
        description="The reward, its month and whose it is: what is granted again under it is the same reward.",
        examples=["monthly_sales/40021/2026-11/CNY"],
    ),
]
HeldFirst = Annotated[
    StrictBool,
    Field(
        description="The reward is held first, and `reward.released` states what of it is available. Without it, as in "
        "earlier releases, what this event states is available at once."
    ),
]


def reward_id(reward: str, distributor_id: int, month: str, currency: str, market: str | None) -> str:
    """The id of a reward; `market` is None for the default market."""
    key = f"{reward}/{distributor_id}/{month}/{currency}"
    return key if market is None else f"{key}/{market}"
