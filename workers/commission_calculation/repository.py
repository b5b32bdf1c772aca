"""Loads commissions and rule sets; saves commissions, appends to the ledger and adds to the balances."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

from contracts.envelope import Message
from contracts.orders.v1 import OrderPaid
from contracts.rules.view import RULES, RuleSet
from infra.runtime.repository import Codec, Loaded
from infra.runtime.store import Collection, Increment, Index, Transaction
from workers.commission_calculation.model import Accounts, Commission, Posting

COMMISSIONS = "commission_calculation.commissions"
LEDGER = "commission_calculation.ledger"
BALANCES = "commission_calculation.balances"

STRIPES = 8
"""A balance is the sum of so many documents, and a process adds to one of them: a distributor at the top of the
network, whom every batch pays, does not make replicas wait for each other."""

_commissions = Codec(Commission, key="key")
_postings = Codec(Posting, key="posting_id")
_rules = Codec(RuleSet, key="rule_version")
to_commission = _commissions.to_entity
to_posting = _postings.to_entity


class CommissionRepository:
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(
            COMMISSIONS,
            "what each order pays, by order",
            (Index((("entries.distributor_id", 1),), "what a distributor earned"),),
        ),
        Collection(
            LEDGER,
            "append-only, balanced postings, by the message that caused them",
            (
                Index((("legs.distributor_id", 1), ("posted_at", 1)), "a distributor's statement"),
                Index((("key", 1),), "the postings of an order"),
            ),
        ),
        Collection(
            BALANCES,
            "held by distributor, currency and stripe; the sum over the stripes is the balance",
            (Index((("distributor_id", 1),), "a distributor's balances"),),
        ),
    )

    def __init__(self, commissions: Loaded[str, Commission], rules: dict[int, RuleSet]) -> None:
        self._commissions = commissions
        self._rules = rules
        self._postings: list[Posting] = []

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Any]]) -> Self:
        commissions = await _commissions.fetch(tx, COMMISSIONS, (message.data.key for message in messages))
        versions = {message.data.rule_version for message in messages if isinstance(message.data, OrderPaid)}
        found = await tx.find(RULES, {"_id": {"$in": list(versions)}}) if versions else []
        return cls(commissions, _rules.by_key(found))

    def state_for(self, message: Message[Any]) -> Accounts:
        return Accounts(self._commissions.pick([message.data.key]), self._rules)

    def keep(self, state: Accounts) -> None:
        self._commissions.keep(state.commissions)
        self._postings.extend(state.postings)

    async def save(self, tx: Transaction) -> None:
        await _commissions.save(tx, COMMISSIONS, self._commissions)
        await tx.insert(LEDGER, [_postings.to_document(posting) for posting in self._postings])
        await tx.add(BALANCES, list(_increments(self._postings, stripe=os.getpid() % STRIPES)))


def _increments(postings: Iterable[Posting], *, stripe: int) -> Iterable[Increment]:
    held: Counter[tuple[int, str]] = Counter()
    for posting in postings:
        for leg in posting.legs:
            if leg.account == "held":
                held[leg.distributor_id, posting.currency] += leg.amount_minor
    for (distributor_id, currency), amount in sorted(held.items()):
        yield Increment(
            f"{distributor_id}/{currency}/{stripe}",
            {"held_minor": amount},
            {"distributor_id": distributor_id, "currency": currency},
        )
