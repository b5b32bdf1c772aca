"""Loads and saves payees and their accounts; both are published views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from contracts.payees.v1 import (
    AllowDuplicate,
    DecideIdentity,
    RemoveMethod,
    SetMethod,
    SubmitIdentity,
    WaiveCoolingOff,
)
from contracts.payees.view import ACCOUNTS, PAYEES, Account, Payee
from contracts.payouts.v1 import PayoutFailed, PayoutReturned
from contracts.wire.envelope import Message
from infra.ports.store import Collection, Query, Transaction
from infra.runtime.repository import Codec, Found, Loaded, Repository, with_ids
from workers.payee_registry.model import State

Consumed = (
    SetMethod
    | RemoveMethod
    | AllowDuplicate
    | WaiveCoolingOff
    | SubmitIdentity
    | DecideIdentity
    | PayoutFailed
    | PayoutReturned
)

_payees = Codec(Payee, key="distributor_id")
_accounts = Codec(Account, key="fingerprint")
to_payee = _payees.to_entity
to_account = _accounts.to_entity


class PayeeRepository(Repository[State, Consumed]):
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(PAYEES, "distributors as payees: their method, what is known of their identity"),
        Collection(ACCOUNTS, "accounts by fingerprint: who has them, and who allowed that several have one"),
    )

    def __init__(self, payees: Loaded[int, Payee], accounts: Loaded[str, Account]) -> None:
        self._payees = payees
        self._accounts = accounts

    @classmethod
    def queries(cls, messages: Sequence[Message[Consumed]]) -> dict[str, Query]:
        return {"payees": with_ids(PAYEES, (message.data.distributor_id for message in messages))}

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Consumed]], found: Found) -> Self:
        payees = _payees.loaded(found["payees"])
        named = {fingerprint for message in messages for fingerprint in _named(message.data, payees)}
        return cls(payees, Loaded(await _accounts.fetch(tx, ACCOUNTS, named)))

    def state_for(self, message: Message[Consumed]) -> State:
        data = message.data
        return State(self._payees.pick([data.distributor_id]), self._accounts.pick(_named(data, self._payees)))

    def keep(self, state: State) -> None:
        self._payees.keep(state.payees)
        self._accounts.keep(state.accounts)

    async def save(self, tx: Transaction) -> None:
        await _payees.save(tx, PAYEES, self._payees)
        await _accounts.save(tx, ACCOUNTS, self._accounts)


def _named(data: Consumed, payees: Loaded[int, Payee]) -> set[str]:
    """The fingerprints of the account that a message names, and of the one that its payee has."""
    payee = payees.get(data.distributor_id)
    own = {payee.fingerprint} if payee is not None and payee.fingerprint is not None else set()
    return own | ({data.fingerprint} if isinstance(data, SetMethod | AllowDuplicate) else set())
