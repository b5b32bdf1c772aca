"""What a principal may reach, as conditions inside the queries: anything else is not found.

An administrator reaches everything; a distributor their own and their downline's; a shop its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from api.http.problems import Problem
from api.identity.principal import Principal
from contracts.network.view import DISTRIBUTORS, SPONSORS_PATH, TEAMS
from contracts.orders.v1 import UPLINE_DEPTH_MAX
from contracts.orders.view import LISTS, downline_list, shop_list
from infra.ports.store import Reader

NOTHING: dict[str, Any] = {"_id": {"$in": []}}


def orders_filter(principal: Principal) -> dict[str, Any]:
    """The condition for orders. A downline's orders are those whose stored upline has the distributor."""
    if principal.kind == "admin":
        return {}
    if principal.kind == "distributor" and principal.distributor_id is not None:
        return {LISTS: downline_list(principal.distributor_id)}
    if principal.kind == "shop" and principal.shop_id is not None:
        return {LISTS: shop_list(principal.shop_id)}
    return NOTHING


async def reaches(reader: Reader, principal: Principal, distributor_id: int) -> bool:
    """Whether the principal reaches this distributor: by one query for the chain above, with the current sponsors.

    Also False for a distributor who does not exist.
    """
    own = principal.distributor_id
    if principal.kind == "admin" or (principal.kind == "distributor" and distributor_id == own):
        return bool(await reader.find(DISTRIBUTORS, {"_id": distributor_id}, limit=1, fields=("_id",)))
    if principal.kind != "distributor" or own is None:
        return False
    chain = await reader.ancestors(DISTRIBUTORS, [distributor_id], via="sponsor_id", depth_max=UPLINE_DEPTH_MAX - 1)
    return own in {above["_id"] for above in chain}


async def require_reach(reader: Reader, principal: Principal, distributor_id: int) -> None:
    """Raise Problem not_found unless the principal reaches this distributor."""
    if not await reaches(reader, principal, distributor_id):
        raise Problem("not_found")


async def may_earn_from(reader: Reader, distributor_id: int, seller_id: int) -> bool:
    """Whether the distributor is, was or will be above the seller, or the leader of one of the seller's teams: an order
    pays those of the day for which it counts, and who enters it may choose the day.
    """
    chain = await reader.ancestors(DISTRIBUTORS, [seller_id], via=SPONSORS_PATH, depth_max=UPLINE_DEPTH_MAX - 1)
    if distributor_id in {above["_id"] for above in chain}:
        return True
    teams = [entry["team_id"] for one in chain if one["_id"] == seller_id for entry in one.get("teams", ())]
    led = await reader.find(TEAMS, {"_id": {"$in": [team for team in teams if team is not None]}}, fields=("leaders",))
    return distributor_id in {leader["leader_id"] for team in led for leader in team["leaders"]}


async def require_own_branch(reader: Reader, principal: Principal, above_id: int, distributor_id: int) -> None:
    """Raise Problem own_standing where an administrator who is a distributor too would add someone to their own branch:
    what that one sells would pay the administrator.
    """
    if principal.kind == "admin" and principal.distributor_id is not None:
        distributor = replace(principal, kind="distributor")
        if await reaches(reader, distributor, above_id) and not await reaches(reader, distributor, distributor_id):
            raise Problem("own_standing")
