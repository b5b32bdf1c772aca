"""Loads and saves the months that a batch changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from contracts.calendar import days_near, local_date
from contracts.commissions.earnings import month_of
from contracts.commissions.v1 import CommissionReleased
from contracts.orders.v1 import OrderCancelled, OrderPaid, OrderRefunded
from contracts.rewards.view import PROGRESS
from contracts.rules.view import RULES, RuleSet
from contracts.wire.envelope import Message
from infra.ports.store import Collection, Find, Index, Query, Transaction
from infra.runtime.repository import Codec, Found, Loaded, Repository, with_ids
from workers.reward_checks.model import Progress, Sale, State, progress_key

SALES = "reward_checks.sales"

Consumed = OrderPaid | OrderRefunded | OrderCancelled | CommissionReleased

_progress = Codec(Progress, key="key")
_sales = Codec(Sale, key="key")
_rules = Codec(RuleSet, key="rule_version")
to_progress = _progress.to_entity
to_sale = _sales.to_entity


class RewardRepository(Repository[State, Consumed]):
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(
            PROGRESS,
            "own sales by distributor, month, currency and market, with the granted rewards",
            (Index((("distributor_id", 1), ("month", 1), ("_id", 1)), "a distributor's months"),),
        ),
        Collection(
            SALES,
            "counted orders and what was taken back of them, by order: a repeat is recognised even after its "
            "journal record expired",
        ),
    )

    def __init__(self, progress: Loaded[str, Progress], sales: Loaded[str, Sale], rules: dict[int, RuleSet]) -> None:
        self._progress = progress
        self._sales = sales
        self._rules = rules

    @classmethod
    def queries(cls, messages: Sequence[Message[Consumed]]) -> dict[str, Query]:
        data = [message.data for message in messages]
        return {
            "progress": _months(messages),
            "sales": with_ids(SALES, (d.key for d in data)),
            "rules": with_ids(RULES, (d.rule_version for d in data if isinstance(d, OrderPaid))),
        }

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Consumed]], found: Found) -> Self:
        """An extra query if months follow other rules than the batch's orders, and one for the months of sales whose
        commissions are released: their events do not name the seller.
        """
        months, rules = _progress.by_key(found["progress"]), _rules.by_key(found["rules"])
        sales = _sales.by_key(found["sales"])
        months |= await _progress.fetch(tx, PROGRESS, _months_released(messages, sales))
        others = {month.rule_version for month in months.values()} - rules.keys() - {0}
        rules |= await _rules.fetch(tx, RULES, others)
        return cls(Loaded(months), Loaded(sales), rules)

    def state_for(self, message: Message[Consumed]) -> State:
        order = message.data
        sales = self._sales.pick([order.key])
        keys = [sale.month for sale in sales.values()]
        if isinstance(order, OrderPaid) and (known := self._rules.get(order.rule_version)) is not None:
            placed_on = local_date(order.placed_at, known.terms.zone)
            keys.append(progress_key(order.distributor_id, placed_on, order.currency, known.terms.market))
        return State(self._progress.pick(keys), self._rules, sales)

    def keep(self, state: State) -> None:
        self._progress.keep(state.progress)
        self._sales.keep(state.sales)

    async def save(self, tx: Transaction) -> None:
        await _progress.save(tx, PROGRESS, self._progress)
        await _sales.save(tx, SALES, self._sales)


def _months(messages: Sequence[Message[Consumed]]) -> Find:
    """The months of the sellers, in every currency, market and zone: messages do not name the market."""
    orders = [message.data for message in messages if not isinstance(message.data, CommissionReleased)]
    sellers = {order.distributor_id for order in orders}
    months = {month_of(day) for order in orders for day in days_near(order.placed_at)}
    return Find(PROGRESS, {"distributor_id": {"$in": list(sellers)}, "month": {"$in": list(months)}})


def _months_released(messages: Sequence[Message[Consumed]], sales: Mapping[str, Sale]) -> set[str]:
    released = {message.data.key for message in messages if isinstance(message.data, CommissionReleased)}
    return {sale.month for key, sale in sales.items() if key in released and sale.month}
