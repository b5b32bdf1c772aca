"""Nothing is loaded and nothing saved: the notes of calls are the runtime's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from contracts.payouts.v1 import PayoutAttemptDue, PayoutCheckDue
from contracts.wire.envelope import Message
from infra.ports.store import Collection, Query, Transaction
from infra.runtime.repository import Found, Repository
from workers.payout_delivery.model import State

Consumed = PayoutAttemptDue | PayoutCheckDue


class PayoutDeliveryRepository(Repository[State, Consumed]):
    collections: ClassVar[tuple[Collection, ...]] = ()

    @classmethod
    def queries(cls, messages: Sequence[Message[Consumed]]) -> dict[str, Query]:
        return {}

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Consumed]], found: Found) -> Self:
        return cls()

    def state_for(self, message: Message[Consumed]) -> State:
        return State()

    def keep(self, state: State) -> None:
        pass

    async def save(self, tx: Transaction) -> None:
        pass
