"""Shops: registered by an administrator before their first order, and shown to administrators and to themselves."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.access.guard import needs
from api.access.ports import Here
from api.access.writing import Writing, written
from api.http.bodies import Body, BodyRoute
from api.http.conditions import NOT_MODIFIED, IfNoneMatch, read_response
from api.http.paging import Cursor, Limit, Page, next_link, page_of
from api.http.problems import Problem, documented
from api.identity.principal import Principal
from api.network.shops_view import BY_ID, ShopView, find_shop, known_shop, shop_view, shops_filter
from contracts.fields import ShopId
from contracts.network.v1 import RegisterShop, ShopTerms
from contracts.network.view import SHOPS

router = APIRouter(prefix="/api/shops", tags=["shops"], route_class=BodyRoute)

Reads = Annotated[Principal, needs("shops:read")]
Writes = Annotated[Principal, needs("shops:write")]


class NewShop(ShopTerms, Body):
    pass


@router.post(
    "",
    summary="Register a shop",
    response_model=ShopView,
    status_code=201,
    responses=written("not_found", "conflict", shown=ShopView, created=True),
)
async def register_shop(body: NewShop, ports: Here, principal: Writes, writing: Writing) -> Response:
    """For administrators. A repeat changes everything but the currency and the market, whose rules decide what the
    shop's orders pay; an absent field gets its default again. With `history_from` the shop may enter past orders,
    placed since then. With `distributor_orders` distributors may place orders in it, within the limits for unpaid
    orders.

    Its client id and secret are created on the command line, by `tributary identity create-shop`.
    """
    if principal.kind != "admin":
        raise Problem("not_found")
    known = await known_shop(ports.store, principal, body.shop_id)
    if known is not None and known.market != body.market:
        detail = (
            f"market: shop {body.shop_id} is in market {known.market}, whose rules its orders follow; what they pay "
            "takes two persons, so ask an operator to send shop.register.v1 on the command line."
        )
        raise Problem("conflict", detail=detail)
    return await writing.write(
        RegisterShop(**body.model_dump()),
        lambda: find_shop(ports.store, principal, body.shop_id),
        location=f"/api/shops/{body.shop_id}" if known is None else None,
        before=known.model_dump() if known is not None else None,
    )


@router.get("", summary="List shops", responses=documented("invalid_cursor"))
async def list_shops(
    request: Request, ports: Here, principal: Reads, limit: Limit = 50, cursor: Cursor = None
) -> Page[ShopView]:
    """By id. A shop sees only itself."""
    found, after = await page_of(
        ports.store, SHOPS, BY_ID, listed=[shops_filter(principal)], cursor=cursor, limit=limit
    )
    return Page(items=[shop_view(document) for document in found], next=next_link(request, after))


@router.get(
    "/{shop_id}",
    summary="Show a shop",
    response_model=ShopView,
    responses={**NOT_MODIFIED, **documented("not_found")},
)
async def show_shop(
    shop_id: Annotated[ShopId, Path()],
    request: Request,
    ports: Here,
    principal: Reads,
    if_none_match: IfNoneMatch = None,
) -> Response:
    return read_response(request, await find_shop(ports.store, principal, shop_id))
