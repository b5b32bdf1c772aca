"""Loads and saves the credits of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from workers.loyalty_points.model import Credit, State

from contracts.orders.v1 import OrderPaid
from contracts.wire.envelope import Message
from infra.ports.store import Collection, Query, Transaction
from infra.runtime.repository import Codec, Found, Loaded, Repository, with_ids

CREDITS = "loyalty_points.credits"

_credits = Codec(Credit, key="key")
to_credit = _credits.to_entity


class LoyaltyRepository(Repository[State, OrderPaid]):
    collections: ClassVar[tuple[Collection, ...]] = (Collection(CREDITS, "points by order"),)

    def __init__(self, credits: Loaded[str, Credit]) -> None:
        self._credits = credits

    @classmethod
    def queries(cls, messages: Sequence[Message[OrderPaid]]) -> dict[str, Query]:
        return {"credits": with_ids(CREDITS, (message.data.key for message in messages))}

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[OrderPaid]], found: Found) -> Self:
        return cls(_credits.loaded(found["credits"]))

    def state_for(self, message: Message[OrderPaid]) -> State:
        return State(self._credits.pick([message.data.key]))

    def keep(self, state: State) -> None:
        self._credits.keep(state.credits)

    async def save(self, tx: Transaction) -> None:
        await _credits.save(tx, CREDITS, self._credits)
