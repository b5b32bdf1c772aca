"""Loads and saves shops, distributors, teams, and the tree's document; all but the last are published views."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Self

from contracts.network.v1 import (
    ChangeDistributor,
    ChangeLeader,
    CreateTeam,
    JoinTeam,
    LeaveTeam,
    MoveDistributor,
    RegisterDistributor,
    RegisterShop,
)
from contracts.network.view import DISTRIBUTORS, SHOPS, SPONSORS_PATH, TEAMS, Distributor, Shop, Team
from contracts.subjects import OfShop, OfTeam
from contracts.wire.envelope import Message
from infra.ports.store import Ancestors, Collection, Index, Query, Transaction
from infra.runtime.repository import Codec, Found, Loaded, Repository, with_ids
from workers.network.model import TREE, State, Tree

TREES = "network.trees"

Consumed = (
    RegisterShop
    | RegisterDistributor
    | ChangeDistributor
    | MoveDistributor
    | CreateTeam
    | ChangeLeader
    | JoinTeam
    | LeaveTeam
)

_shops = Codec(Shop, key="shop_id")
_distributors = Codec(Distributor, key="distributor_id")
_teams = Codec(Team, key="team_id")
_trees = Codec(Tree, key="name")
to_distributor = _distributors.to_entity
to_distributor_document = _distributors.to_document
to_team = _teams.to_entity
to_team_document = _teams.to_document
to_tree = _trees.to_entity


class NetworkRepository(Repository[State, Consumed]):
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(SHOPS, "shops by id"),
        Collection(
            DISTRIBUTORS,
            "distributors by id, each with the histories of its standing, its sponsors and its teams",
            (
                Index((("sponsor_id", 1), ("_id", 1)), "the distributors below a sponsor, in pages"),
                Index((("standings.tier", 1), ("_id", 1)), "distributors who ever had a tier, in pages"),
                Index((("standings.active", 1), ("_id", 1)), "distributors ever active, or inactive, in pages"),
                Index((("teams.team_id", 1), ("_id", 1)), "distributors ever in a team, in pages"),
            ),
        ),
        Collection(
            TEAMS,
            "teams by id, each with the history of its leaders",
            (Index((("leaders.leader_id", 1), ("_id", 1)), "teams that a distributor ever led, in pages"),),
        ),
        Collection(TREES, "one document for the sponsor tree; every move writes it, so moves run one at a time"),
    )

    def __init__(
        self,
        shops: Loaded[str, Shop],
        distributors: Loaded[int, Distributor],
        teams: Loaded[int, Team],
        trees: Loaded[str, Tree],
    ) -> None:
        self._shops = shops
        self._distributors = distributors
        self._teams = teams
        self._trees = trees

    @classmethod
    def queries(cls, messages: Sequence[Message[Consumed]]) -> dict[str, Query]:
        data = [message.data for message in messages]
        moves = [d for d in data if isinstance(d, MoveDistributor)]
        above = {d.sponsor_id for d in moves if d.sponsor_id is not None}
        return {
            "shops": with_ids(SHOPS, (d.shop_id for d in data if isinstance(d, OfShop))),
            "distributors": with_ids(DISTRIBUTORS, (key for d in data for key in _distributors_named(d))),
            "all above": Ancestors(DISTRIBUTORS, sorted(above), via=SPONSORS_PATH),
            "teams": with_ids(TEAMS, (d.team_id for d in data if isinstance(d, OfTeam))),
            "trees": with_ids(TREES, [TREE] if moves else []),
        }

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Consumed]], found: Found) -> Self:
        return cls(
            _shops.loaded(found["shops"]),
            _distributors.loaded([*found["distributors"], *found["all above"]]),
            _teams.loaded(found["teams"]),
            _trees.loaded(found["trees"]),
        )

    def state_for(self, message: Message[Consumed]) -> State:
        data = message.data
        named = _distributors_named(data)
        return State(
            self._shops.pick([data.shop_id] if isinstance(data, OfShop) else ()),
            self._with_all_above(named) if isinstance(data, MoveDistributor) else self._distributors.pick(named),
            self._teams.pick([data.team_id] if isinstance(data, OfTeam) else ()),
            self._trees.get(TREE) or Tree(),
        )

    def keep(self, state: State) -> None:
        self._shops.keep(state.shops)
        self._distributors.keep(state.distributors)
        self._teams.keep(state.teams)
        if state.tree.moves:
            self._trees.keep({TREE: state.tree})

    async def save(self, tx: Transaction) -> None:
        await _shops.save(tx, SHOPS, self._shops)
        await _distributors.save(tx, DISTRIBUTORS, self._distributors)
        await _teams.save(tx, TEAMS, self._teams)
        await _trees.save(tx, TREES, self._trees)

    def _with_all_above(self, named: Sequence[int]) -> dict[int, Distributor]:
        """The moved distributor, the new sponsor, and everyone who was ever above the new sponsor."""
        picked = self._distributors.pick(named)
        ahead = [*named[1:]]
        while ahead:
            for sponsor_id in _sponsors_of(self._distributors.get(ahead.pop())):
                above = self._distributors.get(sponsor_id)
                if above is not None and sponsor_id not in picked:
                    picked[sponsor_id] = above
                    ahead.append(sponsor_id)
        return picked


def _sponsors_of(distributor: Distributor | None) -> Iterator[int]:
    for sponsorship in distributor.sponsors if distributor is not None else ():
        if sponsorship.sponsor_id is not None:
            yield sponsorship.sponsor_id


def _distributors_named(data: Consumed) -> list[int]:
    """The distributor of a message, then the sponsor or leader it names."""
    if isinstance(data, OfShop):
        return []
    if isinstance(data, CreateTeam | ChangeLeader):
        return [data.leader_id]
    if isinstance(data, RegisterDistributor | MoveDistributor) and data.sponsor_id is not None:
        return [data.distributor_id, data.sponsor_id]
    return [data.distributor_id]
