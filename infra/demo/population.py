"""The reference data that the orders of a set of baskets need: shops, network, catalogue, stock, rules.

Everything is derived from the baskets and a seed, so that the same baskets always get the same data. Stock is reduced
so that a known small share of the orders runs short, and some products fall below their alert threshold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from contracts.catalog.v1 import DefineProduct
from contracts.fields import QUANTITY_MAX
from contracts.network.v1 import (
    ChangeDistributor,
    CreateTeam,
    JoinTeam,
    MoveDistributor,
    RegisterDistributor,
    RegisterShop,
)
from contracts.stock.v1 import ReceiveStock
from contracts.wire.envelope import Payload
from infra.demo.baskets import UNCATEGORISED, Basket, ProductRow, products
from infra.demo.rule_set import CURRENCY, MARKET, RulesInForce, rules_in_force
from infra.demo.settlement import terms

_FOUNDED = datetime(2016, 1, 1, tzinfo=UTC)
"""When the first distributor joined; one more each hour, so that a sponsor has always joined before."""

_FIRST_DISTRIBUTOR_ID = 40_001

_ROOTS = 5
LEVELS_MAX = 9
_LEADER_SHARE = 0.1
_INACTIVE = 3
_TEAMS = 8
_MOVES = 3
_POPULAR_LOW = 10

_PERISHABLE = ("MILK", "BREAD", "YOGURT", "CHEESE", "MEAT", "BEEF", "CHICKEN", "SALAD", "EGGS", "SEAFOOD", "BERRIES")
_EXPIRY_DATES = {"lot-a": "2099-06-30", "lot-b": "2099-12-31"}
"""Orders are of 2017 and workers run today; the lots expire after both, so that only their order matters."""


@dataclass(frozen=True, slots=True)
class Population:
    """Commands that create the reference data, each tuple in the order in which it must be handled.

    Each team has a leader, and most sellers are in a team; `moves` give branches another sponsor halfway. `sellers` are
    the distributors that have customers; the first distributors of the network only lead.
    """

    shops: tuple[RegisterShop, ...]
    distributors: tuple[RegisterDistributor, ...]
    changes: tuple[ChangeDistributor, ...]
    teams: tuple[CreateTeam, ...]
    members: tuple[JoinTeam, ...]
    moves: tuple[MoveDistributor, ...]
    products: tuple[DefineProduct, ...]
    receipts: tuple[ReceiveStock, ...]
    rules: RulesInForce
    sellers: tuple[int, ...]

    def distributor_of(self, household_id: int) -> int:
        """The distributor of the household, the same for all its orders."""
        return _seller(self.sellers, household_id)

    def waves(self) -> tuple[tuple[Payload, ...], ...]:
        """Every command, in waves: a command is sent after everything that it refers to was handled."""
        rules, (proposal, approval) = self.rules, terms()
        return (
            (*self.shops, *self.distributors, *self.products, *self.receipts, rules.market, rules.proposal, proposal),
            (*self.changes, *self.teams, *self.moves, rules.approval, approval),
            (*self.members, rules.activation),
        )


def populate(
    baskets: Sequence[Basket], *, short_share: float = 0.015, levels_max: int = LEVELS_MAX, seed: int = 7
) -> Population:
    """Return the reference data of `baskets` (oldest first, at least one), with at most `levels_max` levels.

    About `short_share` of the orders run short if they are handled in order; with 0 the stock suffices for all.
    """
    if not baskets:
        raise ValueError("a population is derived from baskets: give at least one")
    placed = [basket for basket in baskets if basket.orderable]
    rng = Random(seed)
    size = max(2 * _ROOTS, round(300 * (len(baskets) / 2_000) ** 0.25))
    leaders = max(_ROOTS, round(size * _LEADER_SHARE))
    distributors = _network(size, leaders, levels_max, rng)
    sellers = tuple(distributor.distributor_id for distributor in distributors[leaders:])
    rows = _product_rows(baskets)
    first, last = baskets[0].placed_at, baskets[-1].placed_at
    opened = (first - timedelta(days=31)).replace(hour=0, minute=0, second=0)
    teams = _teams(distributors[:leaders])
    return Population(
        # The baskets are history, which a shop may enter only if an administrator allows it.
        shops=tuple(
            RegisterShop(shop_id=shop_id, currency=CURRENCY, market=MARKET, history_from=opened)
            for shop_id in _in_order(baskets)
        ),
        distributors=distributors,
        changes=_retirements(distributors, leaders, first, last),
        teams=teams,
        members=_members(teams, distributors[leaders:]),
        moves=_moves(distributors, leaders, first + (last - first) / 2),
        products=tuple(DefineProduct(**row._asdict()) for row in rows.values()),
        receipts=tuple(_receipts(placed, rows, short_share, rng)),
        rules=rules_in_force(
            placed,
            {row.product_id: row.category_id for row in rows.values()},
            lambda household_id: _seller(sellers, household_id),
            effective_from=opened,
        ),
        sellers=sellers,
    )


def _seller(sellers: tuple[int, ...], household_id: int) -> int:
    return sellers[household_id % len(sellers)]


def _in_order(baskets: Sequence[Basket]) -> Iterator[str]:
    yield from dict.fromkeys(basket.shop_id for basket in baskets)


def _network(size: int, leaders: int, levels_max: int, rng: Random) -> tuple[RegisterDistributor, ...]:
    """Grow a random tree: each distributor picks a sponsor among those who joined before."""
    sponsors: list[int | None] = []
    levels: list[int] = []
    for index in range(size):
        sponsor = rng.choice([i for i in range(index) if levels[i] < levels_max]) if index >= _ROOTS else None
        sponsors.append(sponsor)
        levels.append(1 if sponsor is None else levels[sponsor] + 1)
    sponsoring = set(sponsors)
    return tuple(
        RegisterDistributor(
            distributor_id=_FIRST_DISTRIBUTOR_ID + index,
            sponsor_id=None if sponsor is None else _FIRST_DISTRIBUTOR_ID + sponsor,
            tier="gold" if index < leaders else "silver" if index in sponsoring else "standard",
            joined_at=_FOUNDED + timedelta(hours=index),
        )
        for index, sponsor in enumerate(sponsors)
    )


def _retirements(
    distributors: Sequence[RegisterDistributor], leaders: int, first: datetime, last: datetime
) -> tuple[ChangeDistributor, ...]:
    """The leaders with the most recruits become inactive, one of them halfway, so that some uplines earn nothing."""
    recruits = Counter(distributor.sponsor_id for distributor in distributors)
    by_recruits = sorted(
        (distributor.distributor_id for distributor in distributors[:leaders]), key=lambda i: (-recruits[i], i)
    )
    moments = (first - timedelta(days=1), first - timedelta(days=1), first + (last - first) / 2)
    return tuple(
        ChangeDistributor(distributor_id=distributor_id, active=False, effective_at=moment)
        for distributor_id, moment in zip(by_recruits[:_INACTIVE], moments, strict=True)
    )


def _teams(leaders: Sequence[RegisterDistributor]) -> tuple[CreateTeam, ...]:
    """The longest-standing leaders lead a team each."""
    return tuple(
        CreateTeam(team_id=number, leader_id=leader.distributor_id, name=f"Team {number}", created_at=leader.joined_at)
        for number, leader in enumerate(leaders[:_TEAMS], start=1)
    )


def _members(teams: Sequence[CreateTeam], sellers: Sequence[RegisterDistributor]) -> tuple[JoinTeam, ...]:
    """Every seller joins a team, except each tenth."""
    return tuple(
        JoinTeam(
            team_id=teams[number % len(teams)].team_id,
            distributor_id=seller.distributor_id,
            effective_at=seller.joined_at,
        )
        for number, seller in enumerate(sellers)
        if number % 10
    )


def _moves(distributors: Sequence[RegisterDistributor], leaders: int, moment: datetime) -> tuple[MoveDistributor, ...]:
    """Move some sellers with their recruits to the first root, so that half of their orders have another upline."""
    sponsoring = {distributor.sponsor_id for distributor in distributors}
    root = distributors[0].distributor_id
    movers = (
        distributor.distributor_id
        for distributor in distributors[leaders:]
        if distributor.distributor_id in sponsoring and distributor.sponsor_id != root
    )
    return tuple(
        MoveDistributor(distributor_id=distributor_id, sponsor_id=root, effective_at=moment)
        for distributor_id, _ in zip(movers, range(_MOVES), strict=False)
    )


def _product_rows(baskets: Sequence[Basket]) -> dict[int, ProductRow]:
    """The bought products by id; a product that is not in the product table is uncategorised."""
    used = {line.product_id for basket in baskets for line in basket.lines}
    every = {row.product_id: row for row in products()}
    unknown_category = 1 + max(row.category_id for row in every.values())
    return {
        product_id: every.get(product_id)
        or ProductRow(product_id, f"PRODUCT {product_id}", unknown_category, UNCATEGORISED)
        for product_id in sorted(used)
    }


def _receipts(
    placed: Sequence[Basket], rows: Mapping[int, ProductRow], short_share: float, rng: Random
) -> Iterator[ReceiveStock]:
    """Receive a quarter more than the orders need, except for the products that run short."""
    demand: Counter[int] = Counter()
    for basket in placed:
        for line in basket.lines:
            demand[line.product_id] += line.quantity
    cut = _cut_short(placed, demand, round(len(placed) * short_share), rng)
    popular = {product_id for product_id, _ in demand.most_common(_POPULAR_LOW)} if short_share else set()
    for product_id, wanted in sorted(demand.items()):
        spare = max(5, wanted // 4)
        supply = cut.get(product_id, wanted + spare)
        low_at = spare // 2
        if product_id in popular:
            low_at = spare + wanted // 10
        if product_id in cut:
            low_at = supply // 5
        yield from _lots(rows[product_id], supply, min(low_at, QUANTITY_MAX))


def _cut_short(placed: Sequence[Basket], demand: Mapping[int, int], orders: int, rng: Random) -> dict[int, int]:
    """Return the supply of the products that run out: each is too small for its last buyer, one of `orders`."""
    buyers: Counter[int] = Counter()
    last_buyer: dict[int, int] = {}
    for index, basket in enumerate(placed):
        for line in basket.lines:
            buyers[line.product_id] += 1
            last_buyer[line.product_id] = index
    cut: dict[int, int] = {}
    for index in rng.sample(range(len(placed)), len(placed)):
        if len(cut) >= orders:
            break
        for line in placed[index].lines:
            left = demand[line.product_id] - line.quantity
            if last_buyer[line.product_id] == index and buyers[line.product_id] > 1 and left > 0:
                cut[line.product_id] = left
                break
    return cut


def _lots(product: ProductRow, supply: int, low_at: int) -> Iterator[ReceiveStock]:
    """Fresh goods come in two lots with expiry dates, others in one; no receipt exceeds the maximum quantity."""
    lots: dict[str, int] = {"default": supply}
    if supply > 1 and any(word in product.category_name for word in _PERISHABLE):
        lots = {"lot-a": supply - supply // 2, "lot-b": supply // 2}
    for batch_id, left in lots.items():
        for number, begin in enumerate(range(0, left, QUANTITY_MAX), start=1):
            yield ReceiveStock(
                receipt_id=f"demo-{product.product_id}-{batch_id}-{number}",
                product_id=product.product_id,
                quantity=min(QUANTITY_MAX, left - begin),
                batch_id=batch_id,
                expiry_date=_EXPIRY_DATES.get(batch_id),
                low_at=low_at,
            )
