"""Accounts to be closed, in bulk: booked by the rules and the repository of settlement, without queues and journals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from contracts.commissions.v1 import CommissionReleased, Share
from contracts.commissions.view import BALANCES as COMMISSION_BALANCES
from contracts.commissions.view import balance_id
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from infra.demo.rule_set import CURRENCY
from infra.ports.store import Increment, Transaction
from infra.runtime.repository import run_queries
from tests.bench.history import distributor_id
from tests.builders import message
from workers.settlement.decide import book_release
from workers.settlement.repository import SettlementRepository

POSTINGS = 10
"""Postings of each account, one a day."""

_AT_ONCE = 100
"""Accounts in a transaction."""

_AMOUNT_MINOR = 125


class Store(Protocol):
    async def transact(self, work: Callable[[Transaction], Awaitable[None]]) -> None: ...


async def add_accounts(store: Store, count: int, starts_at: datetime) -> None:
    """Book ten released commissions in each of `count` accounts, in the period that begins at `starts_at`.

    What commissions hand over agrees with it, so the audits of settlement hold.
    """
    for first in range(0, count, _AT_ONCE):
        sellers = [distributor_id(number) for number in range(first, min(count, first + _AT_ONCE))]
        messages = releases(sellers, starts_at)

        async def book(
            tx: Transaction,
            messages: Sequence[Message[CommissionReleased]] = messages,
            sellers: Sequence[int] = sellers,
        ) -> None:
            repository = await SettlementRepository.load(
                tx, messages, await run_queries(tx, SettlementRepository.queries(messages))
            )
            for released in messages:
                decision = book_release(repository.state_for(released), released)
                assert isinstance(decision, Decision), "a release waits for nothing"
                repository.keep(decision.state)
            await repository.save(tx)
            await tx.add(COMMISSION_BALANCES, [_handed_over(seller) for seller in sellers])

        await store.transact(book)


def releases(sellers: Sequence[int], starts_at: datetime) -> list[Message[CommissionReleased]]:
    """Ten orders; each pays all of these distributors."""
    share = Decimal(_AMOUNT_MINOR) / 100
    shares = tuple(Share(distributor_id=seller, amount=share) for seller in sellers)
    return [
        message(
            CommissionReleased(
                shop_id="bulk",
                order_id=f"{sellers[0]}-{day}",
                currency=CURRENCY,
                total=share * len(shares),
                shares=shares,
                released_at=starts_at + timedelta(days=day),
            ),
            time=starts_at,
        )
        for day in range(POSTINGS)
    ]


def _handed_over(seller: int) -> Increment:
    fixed = {"distributor_id": seller, "currency": CURRENCY}
    return Increment(balance_id(seller, CURRENCY, 0), {"available_minor": POSTINGS * _AMOUNT_MINOR}, fixed)
