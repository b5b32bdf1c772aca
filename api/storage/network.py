"""Who stands above whom, from the documents of the network."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from contracts.network.view import DISTRIBUTORS, SPONSORS_PATH, TEAMS, Distributor, chain_at
from contracts.orders.v1 import UPLINE_DEPTH_MAX
from infra.ports.store import Document, Reader
from infra.runtime.repository import Codec

_distributors = Codec(Distributor, key="distributor_id")


async def with_upline(reader: Reader, distributor_ids: Collection[int]) -> set[int]:
    """These distributors and everyone above them by their newest sponsors, as far up as an order's snapshot reaches. A
    move that is planned counts.
    """
    return {one["_id"] for one in await _chain(reader, distributor_ids, via="sponsor_id")}


async def ever_above(reader: Reader, distributor_ids: Collection[int]) -> set[int]:
    """These distributors and everyone who is, was or will be above them, on whatever way."""
    return {one["_id"] for one in await ever_chain(reader, distributor_ids)}


async def ever_chain(reader: Reader, distributor_ids: Collection[int]) -> list[Document]:
    return await _chain(reader, distributor_ids, via=SPONSORS_PATH)


async def always_above(reader: Reader, distributor_id: int, since: datetime) -> set[int]:
    """The distributor and those who are above them at `since`, and stay there whatever is planned."""
    known = _distributors.by_key(await ever_chain(reader, [distributor_id]))
    if distributor_id not in known:
        return set()
    changes = {entry.since for one in known.values() for entry in one.sponsors if entry.since > since}
    chains = (chain_at(distributor_id, known, moment, UPLINE_DEPTH_MAX) for moment in {since, *changes})
    return set.intersection(*map(set, chains))


async def leaders_of(reader: Reader, team_ids: Collection[int]) -> set[int]:
    """Everyone who leads one of these teams, has led it or will."""
    teams = await reader.find(TEAMS, {"_id": {"$in": sorted(team_ids)}}, fields=("leaders",))
    return {leader["leader_id"] for team in teams for leader in team["leaders"]}


async def _chain(reader: Reader, distributor_ids: Collection[int], *, via: str) -> list[Document]:
    return await reader.ancestors(DISTRIBUTORS, sorted(distributor_ids), via=via, depth_max=UPLINE_DEPTH_MAX - 1)
