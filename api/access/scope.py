"""What a principal may reach, as conditions inside the queries: anything else is not found.

An administrator reaches everything; a distributor their own and their downline's; a shop its own.
"""

from __future__ import annotations

from typing import Any

from api.http.problems import Problem
from api.identity.principal import Principal
from contracts.network.view import DISTRIBUTORS
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
