"""Distributors as shown, as of now unless a date is given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.access.scope import require_reach
from api.http.ids import ShownId
from api.http.paging import Sorting
from api.http.problems import Problem
from api.identity.principal import Principal
from contracts.network.view import DISTRIBUTORS, SPONSORS_PATH, Distributor, chain_at
from infra.ports.store import Document, Reader
from infra.runtime.repository import Codec

DEPTH_MAX = 10
NODES_MAX = 1_000
"""A client that needs more continues page by page."""

BY_NUMBER = Sorting("_id", int, id_kind=int)

_distributors = Codec(Distributor, key="distributor_id")


class DistributorView(BaseModel):
    model_config = ConfigDict(title="Distributor")

    distributor_id: ShownId = Field(examples=[40021])
    sponsor_id: ShownId | None = Field(
        description="The current sponsor; null at the top of the network.", examples=[40007]
    )
    tier: str = Field(examples=["standard"])
    active: bool = Field(description="Whether the distributor earns.", examples=[True])
    team_id: ShownId | None = Field(description="The team that the distributor is in, if any.", examples=[12])
    joined_at: datetime = Field(examples=["2026-01-15T08:30:00Z"])


class Node(BaseModel):
    """A distributor in the tree; level 0 is the requested one."""

    model_config = ConfigDict(title="DownlineNode")

    distributor_id: ShownId = Field(examples=[40021])
    level: int = Field(examples=[0])
    tier: str = Field(examples=["standard"])
    active: bool = Field(examples=[True])
    children: list[Node] = Field(description="By number.", examples=[[]])
    children_next: str | None = Field(
        description="The address of the children that are not shown, page by page; null if all are shown.",
        examples=["/api/distributors?sponsor_id=40021"],
    )


class Tree(BaseModel):
    model_config = ConfigDict(title="Downline")

    root: Node
    nodes: int = Field(description="The number of distributors shown.", examples=[1])


class UplineStep(BaseModel):
    level: int = Field(description="1 is the distributor, 2 the sponsor.", examples=[1])
    distributor_id: ShownId = Field(examples=[40021])
    tier: str = Field(examples=["standard"])
    active: bool = Field(examples=[True])


class Upline(BaseModel):
    as_of: datetime
    chain: list[UplineStep] = Field(description="Nearest first; a distributor sees it up to themselves.")


def distributor_of(document: Document) -> Distributor:
    return _distributors.to_entity(document)


def distributor_view(one: Distributor, now: datetime) -> DistributorView:
    standing = one.standing_at(now)
    return DistributorView(
        distributor_id=one.distributor_id,
        sponsor_id=one.sponsor_id,
        tier=standing.tier,
        active=standing.active,
        team_id=one.team_at(now),
        joined_at=one.standings[0].since,
    )


def version_of(one: Distributor) -> int:
    """Grows with every change, because each is an entry in one of the histories."""
    return len(one.standings) + len(one.sponsors) + len(one.teams)


async def find_distributor(reader: Reader, distributor_id: int) -> Distributor:
    """Raises Problem not_found."""
    found = await reader.find(DISTRIBUTORS, {"_id": distributor_id}, limit=1)
    if not found:
        raise Problem("not_found")
    return distributor_of(found[0])


async def require_person(reader: Reader, principal: Principal, distributor_id: int, reason: str) -> None:
    """Raise Problem `reason` for an unknown distributor or, except for administrators, not_found beyond their reach."""
    if principal.kind != "admin":
        await require_reach(reader, principal, distributor_id)
    elif not await reader.find(DISTRIBUTORS, {"_id": distributor_id}, limit=1, fields=("_id",)):
        raise Problem(reason)


def ever_had(field: str, value: str | bool) -> dict[str, Any]:
    """The condition, which an index serves, for those who ever had a tier or an activity."""
    return {f"standings.{field}": value}


def has_now(field: str, value: str | bool, now: datetime) -> dict[str, Any]:
    """The condition for those who have a tier or an activity now."""
    return {"$expr": {"$eq": [entry_at("standings", field, now), {"$literal": value}]}}


def entry_at(history: str, field: str, now: datetime) -> dict[str, Any]:
    """A field of the entry of a history that is in force now; of the first entry, if none is yet."""
    begun = {"$filter": {"input": f"${history}", "cond": {"$lte": ["$$this.since", now]}}}
    entry = {"$ifNull": [{"$last": begun}, {"$first": f"${history}"}]}
    return {"$let": {"vars": {"entry": entry}, "in": f"$$entry.{field}"}}


async def downline(reader: Reader, root: Distributor, now: datetime, *, depth: int, nodes_max: int) -> Tree:
    """The tree below, level by level; it ends at `depth`, or after `nodes_max` distributors."""
    top = _node(root, 0, now)
    above, shown = {root.distributor_id: top}, 1
    for level in range(1, depth + 1):
        room = nodes_max - shown
        wanted = sorted(above)
        documents = await reader.find(
            DISTRIBUTORS,
            {"sponsor_id": {"$in": wanted}},
            sort=(("sponsor_id", 1), ("_id", 1)),
            limit=room + 1,
            fields=("sponsor_id", "standings", "sponsors"),
        )
        below: dict[int, Node] = {}
        for document in documents[:room]:
            node = below[document["_id"]] = _node(distributor_of(document), level, now)
            above[document["sponsor_id"]].children.append(node)
        shown += len(below)
        if len(documents) > room:
            # They are sorted by sponsor: this one and all later ones have children that are not shown.
            _link_rest(above, documents[room]["sponsor_id"])
            above = below
            break
        above = below
        if not above:
            break
    for node in above.values():
        node.children_next = _children_at(node.distributor_id)
    return Tree(root=top, nodes=shown)


def _node(one: Distributor, level: int, now: datetime) -> Node:
    standing = one.standing_at(now)
    return Node(
        distributor_id=one.distributor_id,
        level=level,
        tier=standing.tier,
        active=standing.active,
        children=[],
        children_next=None,
    )


def _link_rest(above: Mapping[int, Node], first_cut: int) -> None:
    for distributor_id, node in above.items():
        if distributor_id >= first_cut:
            last = node.children[-1].distributor_id if node.children else None
            node.children_next = _children_at(distributor_id, last)


def _children_at(sponsor_id: int, last: int | None = None) -> str:
    from_there = f"&cursor={BY_NUMBER.cursor({'_id': last})}" if last is not None else ""
    return f"/api/distributors?sponsor_id={sponsor_id}{from_there}"


async def upline(reader: Reader, principal: Principal, distributor_id: int, moment: datetime) -> Upline:
    """The chain at that moment. A distributor does not see their own upline: their chain ends with themselves.

    Raises Problem not_found, also for a distributor who was not in the chain then.
    """
    known = _distributors.by_key(await reader.ancestors(DISTRIBUTORS, [distributor_id], via=SPONSORS_PATH))
    if distributor_id not in known:
        raise Problem("not_found")
    chain = chain_at(distributor_id, known, moment, len(known))
    if principal.kind != "admin":
        if principal.distributor_id not in chain:
            raise Problem("not_found")
        chain = chain[: chain.index(principal.distributor_id) + 1]
    steps = []
    for level, who in enumerate(chain, start=1):
        standing = known[who].standing_at(moment)
        steps.append(UplineStep(level=level, distributor_id=who, tier=standing.tier, active=standing.active))
    return Upline(as_of=moment, chain=steps)
