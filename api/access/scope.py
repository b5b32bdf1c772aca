"""What a principal may reach, as conditions inside the queries: anything else is not found.

An administrator reaches everything; a distributor their own and their downline's; a shop its own.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from api.http.problems import Problem
from api.identity.accounts.two_persons import hands_of
from api.identity.principal import Principal
from api.identity.repository import USERS
from api.storage.network import always_above, ever_above, ever_chain, leaders_of, with_upline
from contracts.network.view import DISTRIBUTORS
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
    return own in await with_upline(reader, [distributor_id])


async def require_reach(reader: Reader, principal: Principal, distributor_id: int) -> None:
    """Raise Problem not_found unless the principal reaches this distributor."""
    if not await reaches(reader, principal, distributor_id):
        raise Problem("not_found")


async def acts_for(reader: Reader, principal: Principal, distributor_ids: Collection[int], now: datetime) -> set[int]:
    """Those of these distributors who are the principal, or whose login the principal made, changed or reset within a
    week: then the principal may hold its password. What the token permits makes no difference: a person may ask for one
    of fewer permissions, and may have lost some since.
    """
    own = {principal.distributor_id} & set(distributor_ids)
    for user in await USERS.all(reader, {"distributor_id": {"$in": list(distributor_ids)}}):
        if principal.subject in hands_of(user, now):
            own.add(user.distributor_id)
    return {distributor_id for distributor_id in own if distributor_id is not None}


async def may_earn_from(reader: Reader, principal: Principal, seller_id: int, now: datetime) -> set[int]:
    """For whom the principal may earn from a sale: those who are, were or will be above the seller, or lead one of the
    seller's teams. An order pays those of the day for which it counts, and who enters it may choose the day.
    """
    chain = await ever_chain(reader, [seller_id])
    teams = [entry["team_id"] for one in chain if one["_id"] == seller_id for entry in one.get("teams", ())]
    leaders = await leaders_of(reader, {team for team in teams if team is not None})
    return await acts_for(reader, principal, {one["_id"] for one in chain} | leaders, now)


async def require_own_branch(
    reader: Reader, principal: Principal, above_id: int, distributor_id: int, since: datetime | None, now: datetime
) -> None:
    """Raise Problem own_standing where someone who is, or acts for, a distributor would add another one to that branch,
    from `since` on: what the other one sells would pay them. Who plans a move first, or ends one, changes nothing.
    """
    always = await always_above(reader, distributor_id, min(since or now, now))
    gaining = await ever_above(reader, [above_id]) - always
    if await acts_for(reader, principal, gaining, now):
        raise Problem("own_standing")
