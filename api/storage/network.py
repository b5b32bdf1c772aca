"""Who stands above whom, from the documents of the network."""

from __future__ import annotations

from collections.abc import Collection

from contracts.network.view import DISTRIBUTORS, TEAMS
from contracts.orders.v1 import UPLINE_DEPTH_MAX
from infra.ports.store import Reader


async def with_upline(reader: Reader, distributor_ids: Collection[int]) -> set[int]:
    """These distributors and everyone above them today, as far up as an order's snapshot reaches."""
    ids = sorted(distributor_ids)
    chain = await reader.ancestors(DISTRIBUTORS, ids, via="sponsor_id", depth_max=UPLINE_DEPTH_MAX - 1)
    return {one["_id"] for one in chain}


async def leaders_of(reader: Reader, team_ids: Collection[int]) -> set[int]:
    """Everyone who leads one of these teams, has led it or will."""
    teams = await reader.find(TEAMS, {"_id": {"$in": sorted(team_ids)}}, fields=("leaders",))
    return {leader["leader_id"] for team in teams for leader in team["leaders"]}
