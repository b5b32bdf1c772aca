"""Loads a batch's commissions, notices, rules and earnings; saves the changes, appends to the ledger and adds to the
balances.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Self

from contracts.calendar import local_date
from contracts.clock.v1 import ClockTicked
from contracts.commissions.earnings import (
    EARNINGS,
    EARNINGS_STRIPES,
    Earnings,
    Tally,
    earnings_id,
    earnings_key,
    increments_of,
    months_of,
)
from contracts.commissions.view import (
    BALANCE_STRIPES,
    BALANCES,
    COMMISSIONS,
    LEDGER,
    Commission,
    Posting,
    balance_id,
    balances_of,
)
from contracts.orders.v1 import AfterSaleChanged, OrderCancelled, OrderCompleted, OrderPaid, OrderRefunded
from contracts.plans.calculation import needs
from contracts.rules.view import RULES, RuleSet, Terms
from contracts.subjects import OfOrder
from contracts.wire.envelope import Message
from infra.ports.store import Collection, Document, Increment, Index, Query, Transaction
from infra.runtime.repository import Codec, Found, Loaded, Repository, with_ids
from workers.commission_calculation.model import Notices, State

NOTICES = "commission_calculation.notices"

Consumed = OrderPaid | OrderCompleted | AfterSaleChanged | OrderRefunded | OrderCancelled | ClockTicked

DUE_MAX, DUE_BYTES_MAX = 500, 8 * 2**20
"""Commissions released by one tick; the next tick takes the rest. That of an order of 500 lines has 0.5 MB, and takes
seven times as much in memory.
"""

_OTHER_STRIPE = 4
"""Accruals use the stripe of their process; other changes in the same process use the stripe at this distance."""

_commissions = Codec(Commission, key="key")
_notices = Codec(Notices, key="key")
_postings = Codec(Posting, key="posting_id")
_rules = Codec(RuleSet, key="rule_version")
to_commission = _commissions.to_entity
to_posting = _postings.to_entity
to_rules = _rules.to_entity


class CommissionRepository(Repository[State, Consumed]):
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(
            COMMISSIONS,
            "what each order pays and what was taken back, by order",
            (
                Index((("entries.distributor_id", 1), ("placed_at", 1), ("_id", 1)), "what a distributor earned"),
                Index((("seller_id", 1), ("placed_at", 1)), "what a distributor sold"),
                Index((("release_at", 1),), "commissions whose hold period is over", sparse=True),
            ),
        ),
        Collection(NOTICES, "events of an order that preceded its payment, and whether its commission accrued"),
        Collection(
            EARNINGS,
            "own sales, and what each plan paid, by distributor, month, currency and market; a month is the sum of its "
            "stripes",
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
            "an amount for each account of a distributor (0: the platform), by currency; a balance is the sum of its "
            "stripes",
            (Index((("distributor_id", 1),), "a distributor's balances"),),
        ),
    )

    def __init__(
        self,
        commissions: Loaded[str, Commission],
        notices: Loaded[str, Notices],
        earnings: dict[str, Earnings],
        rules: dict[int, RuleSet],
        due: Sequence[str] = (),
        *,
        stripe: int,
    ) -> None:
        self._commissions = commissions
        self._notices = notices
        self._earnings = earnings
        self._rules = rules
        self._terms = _terms_with_months(rules)
        self._due = due
        self._stripe = stripe
        self._postings: list[Posting] = []
        self._tallies: list[Tally] = []

    @classmethod
    def queries(cls, messages: Sequence[Message[Consumed]]) -> dict[str, Query]:
        """All messages have one type, as those of a queue do."""
        data = [message.data for message in messages]
        keys = [d.key for d in data if isinstance(d, OfOrder)]
        return {
            "commissions": with_ids(COMMISSIONS, keys),
            "notices": with_ids(NOTICES, keys),
            "rules": with_ids(RULES, (d.rule_version for d in data if isinstance(d, OrderPaid))),
        }

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Consumed]], found: Found) -> Self:
        due = await _due(tx, [message.data.at for message in messages if isinstance(message.data, ClockTicked)])
        commissions = _commissions.loaded([*found["commissions"], *due])
        rules = _rules.by_key(found["rules"])
        paid = [d for d in (message.data for message in messages) if isinstance(d, OrderPaid)]
        fresh = [d for d in paid if commissions.get(d.key) is None]
        stripe = os.getpid() % BALANCE_STRIPES
        return cls(
            commissions,
            _notices.loaded(found["notices"]),
            await _earnings(tx, fresh, _terms_with_months(rules)),
            rules,
            [document["_id"] for document in due],
            stripe=stripe if fresh else (stripe + _OTHER_STRIPE) % BALANCE_STRIPES,
        )

    def state_for(self, message: Message[Consumed]) -> State:
        data = message.data
        if isinstance(data, ClockTicked):
            return State(self._commissions.pick(self._due))
        needed = _keys_needed(data, self._terms) if isinstance(data, OrderPaid) else ()
        earnings = {key: self._earnings[key] for key in needed if key in self._earnings}
        return State(self._commissions.pick([data.key]), self._notices.pick([data.key]), earnings, self._rules)

    def keep(self, state: State) -> None:
        self._commissions.keep(state.commissions)
        self._notices.keep(state.notices)
        self._postings.extend(state.postings)
        self._tallies.extend(state.tallies)
        for tally in state.tallies if self._earnings else ():
            if tally.key in self._earnings:
                self._earnings[tally.key] = self._earnings[tally.key].plus(tally)

    async def save(self, tx: Transaction) -> None:
        await _notices.save(tx, NOTICES, self._notices)
        await _commissions.save(tx, COMMISSIONS, self._commissions)
        await tx.add(EARNINGS, list(self._counted()))
        await tx.insert(LEDGER, [_postings.to_document(posting) for posting in self._postings])
        await tx.add(BALANCES, list(_increments(self._postings, stripe=self._stripe)))

    def _counted(self) -> Iterable[Increment]:
        """The increments of the months: in stripe 0 if an order of the batch read the month, so readers conflict."""
        for key, amounts in increments_of(self._tallies).items():
            yield Increment(earnings_id(key, 0 if key in self._earnings else 1 + self._stripe), amounts, {})


async def _due(tx: Transaction, ticks: Sequence[datetime]) -> list[Document]:
    if not ticks:
        return []
    where = {"release_at": {"$lte": max(ticks)}}
    order = (("release_at", 1),)
    due, _ = await tx.find_some(COMMISSIONS, where, sort=order, limit=DUE_MAX, bytes_max=DUE_BYTES_MAX)
    return due


async def _earnings(tx: Transaction, paid: Iterable[OrderPaid], terms: Mapping[int, Terms]) -> dict[str, Earnings]:
    """The months that these orders need, summed over their stripes; empty if nothing was earned yet."""
    keys = {key for order in paid for key in _keys_needed(order, terms)}
    query = with_ids(EARNINGS, (earnings_id(key, stripe) for key in keys for stripe in range(EARNINGS_STRIPES)))
    found = months_of([] if query.is_idle else await query.run(tx))
    return {key: found.get(key) or Earnings() for key in keys}


def _keys_needed(order: OrderPaid, terms: Mapping[int, Terms]) -> Iterable[str]:
    """The months of an order's possible earners; none if no plan of its rules needs them."""
    known = terms.get(order.rule_version)
    if known is None:
        return ()
    day = local_date(order.placed_at, known.zone)
    earners = [up.distributor_id for up in order.upline]
    if order.team is not None:
        earners.append(order.team.leader_id)
    return [earnings_key(earner, day, order.currency, known.market) for earner in earners]


def _terms_with_months(rules: Mapping[int, RuleSet]) -> dict[int, Terms]:
    """The rule versions with a plan that needs earlier earnings."""
    return {version: known.terms for version, known in rules.items() if needs(known.terms).anything}


def _increments(postings: Iterable[Posting], *, stripe: int) -> Iterable[Increment]:
    amounts: defaultdict[tuple[int, str], dict[str, int]] = defaultdict(dict)
    for (distributor_id, currency, account), amount in balances_of(postings).items():
        amounts[distributor_id, currency][f"{account}_minor"] = amount
    for (distributor_id, currency), moved in sorted(amounts.items()):
        yield Increment(
            balance_id(distributor_id, currency, stripe),
            moved,
            {"distributor_id": distributor_id, "currency": currency},
        )
