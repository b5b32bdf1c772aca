"""The network data for one message. Its entities are the published view, and the tree's own document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from contracts.network.view import Distributor, Shop, Team

TREE = "sponsors"


@dataclass(frozen=True, slots=True)
class Tree:
    """One document for the whole sponsor tree, which counts its moves: every move writes it.

    Two concurrent moves could each be valid alone, and form a cycle together. Since both write this document, the later
    one is retried on the new state.
    """

    name: str = TREE
    moves: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """The shop, the team, and the distributors that a message needs, if they exist.

    For a move, these include everyone who was ever above the new sponsor, to the root.
    """

    shops: Mapping[str, Shop] = field(default_factory=dict)
    distributors: Mapping[int, Distributor] = field(default_factory=dict)
    teams: Mapping[int, Team] = field(default_factory=dict)
    tree: Tree = Tree()

    def with_shop(self, shop: Shop) -> Self:
        return replace(self, shops={**self.shops, shop.shop_id: shop})

    def with_distributor(self, distributor: Distributor) -> Self:
        return replace(self, distributors={**self.distributors, distributor.distributor_id: distributor})

    def with_moved(self, distributor: Distributor) -> Self:
        """The network after one more move."""
        return replace(self.with_distributor(distributor), tree=replace(self.tree, moves=self.tree.moves + 1))

    def with_team(self, team: Team) -> Self:
        return replace(self, teams={**self.teams, team.team_id: team})
