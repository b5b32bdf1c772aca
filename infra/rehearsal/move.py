"""Who gains and who loses if a distributor moves: the downline's orders, calculated with the new upline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from contracts.network.view import DISTRIBUTORS, SPONSORS_PATH, Distributor, chain_at
from contracts.orders.v1 import UPLINE_DEPTH_MAX
from contracts.orders.view import LISTS, ORDERS, downline_list
from contracts.plans.calculation import needs
from contracts.plans.sale import Earner, Sale
from contracts.rules.view import RULES, RuleSet
from infra.auditing.audit import Read
from infra.rehearsal.backtest import OnProgress, warm_up_from
from infra.rehearsal.comparison import Comparison
from infra.rehearsal.orders import past_orders
from infra.rehearsal.promise import Promise
from infra.runtime.repository import Codec

_distributors = Codec(Distributor, key="distributor_id")
_rules = Codec(RuleSet, key="rule_version")


class MoveImpossible(Exception):
    """The move would be refused; the text states why."""


@dataclass(slots=True)
class MovePreview:
    """What the orders paid, and would have paid; `orders` of `sellers` are in the moved part of the tree.

    `chain` is the distributor's new upline, nearest first. With caps or own sales, the figures include all other
    orders, which they affect too. `newest` is when the newest stored order was placed, if there are no `orders`.
    """

    distributor_id: int
    chain: tuple[int, ...]
    begin: datetime
    end: datetime
    orders: int = 0
    sellers: set[int] = field(default_factory=set)
    by_currency: dict[str, Comparison] = field(default_factory=dict)
    newest: datetime | None = None


async def preview_move(
    read: Read,
    distributor_id: int,
    sponsor_id: int | None,
    begin: datetime,
    end: datetime,
    *,
    on_progress: OnProgress = lambda orders, reached: None,
) -> MovePreview:
    """Replay the paid orders placed from `begin` to before `end` twice, by the rules of each order.

    The second time the distributor is under `sponsor_id`, or at the top. The new upline is as of `end`, the downline as
    of each order. Raises MoveImpossible.
    """
    above = await _above(read, distributor_id, sponsor_id, end)
    found = MovePreview(distributor_id, tuple(earner.distributor_id for earner in above), begin, end)
    rules = {document["_id"]: _rules.to_entity(document).terms for document in await read.find(RULES, {})}
    as_it_was, as_it_would_be = (Promise(lambda order: rules[order.rule_version]) for _ in range(2))
    needed = [needs(terms) for terms in rules.values()]
    everyone_counts = any(one.own_sales or one.day or one.month for one in needed)
    where = {} if everyone_counts else {LISTS: downline_list(distributor_id)}
    warm_up = warm_up_from(begin, list(rules.values()))
    async for orders in past_orders(read, where, warm_up, end):
        for order in orders:
            moved = moved_sale(order.sale, distributor_id, above)
            before, after = as_it_was.book(order), as_it_would_be.book(order, moved)
            if order.placed_at < begin:
                continue
            if moved is not None:
                found.orders += 1
                found.sellers.add(order.sale.upline[0].distributor_id)
            found.by_currency.setdefault(order.sale.currency, Comparison()).add(order, before, after)
        on_progress(found.orders, orders[-1].placed_at)
    if not found.orders:
        found.newest = await _newest(read)
    return found


def moved_sale(sale: Sale, distributor_id: int, above: tuple[Earner, ...]) -> Sale | None:
    """The sale with the distributor's upline replaced; None if the distributor is not in its chain."""
    for index, earner in enumerate(sale.upline):
        if earner.distributor_id == distributor_id:
            kept = sale.upline[: index + 1]
            joined = (replace(up, level=level) for level, up in enumerate(above, start=len(kept) + 1))
            return replace(sale, upline=(*kept, *joined)[:UPLINE_DEPTH_MAX])
    return None


async def _above(read: Read, distributor_id: int, sponsor_id: int | None, moment: datetime) -> tuple[Earner, ...]:
    """The new sponsor and everyone above, as of `moment`."""
    named = [distributor_id] if sponsor_id is None else [distributor_id, sponsor_id]
    documents = await read.ancestors(DISTRIBUTORS, named, via=SPONSORS_PATH)
    known: Mapping[int, Distributor] = _distributors.by_key(documents)
    for named_id in named:
        if named_id not in known:
            raise MoveImpossible(f"There is no distributor {named_id}.")
    if sponsor_id is None:
        return ()
    chain = chain_at(sponsor_id, known, moment, len(known))
    if distributor_id in chain:
        raise MoveImpossible(
            f"Distributor {sponsor_id} is below distributor {distributor_id}: the move would close a cycle."
        )
    standings = [(who, known[who].standing_at(moment)) for who in chain]
    return tuple(Earner(0, who, standing.tier, standing.active) for who, standing in standings)


async def _newest(read: Read) -> datetime | None:
    newest = await read.find(ORDERS, {}, sort=(("placed_at", -1),), limit=1, fields=("placed_at",))
    return newest[0]["placed_at"] if newest else None
