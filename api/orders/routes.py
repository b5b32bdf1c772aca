"""Orders: placed, found, updated, refunded."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request, Response

from api.access.guard import needs
from api.access.ports import Here
from api.access.scope import orders_filter
from api.access.writing import Writer, Writing, written
from api.http.bodies import BodyRoute
from api.http.conditions import (
    NOT_MODIFIED,
    IfMatch,
    IfNoneMatch,
    check_match,
    etag_of,
    read_response,
    written_response,
)
from api.http.paging import Cursor, Limit, Page, built_page, next_link, page_of
from api.http.parameters import AS_IN_JSON
from api.http.problems import documented
from api.http.turns import built
from api.identity.principal import Principal
from api.orders.bodies import ORDERS_BY_EXAMPLE, AfterSale, NewRefund, StatusUpdate
from api.orders.checks import (
    NewOrder,
    known_shop,
    order_command,
    require_no_earnings,
    require_no_number_of_a_shop,
    require_no_own_prepaid,
    require_open,
    require_own_choices,
    require_step,
    seller_of,
    shop_of,
)
from api.orders.view import (
    NEWEST,
    OrderView,
    OrderWithTimeline,
    find_order,
    order_of,
    order_view,
    order_with_timeline,
    parts_of,
    plain,
    size_of,
)
from contracts.fields import OrderId, ShopId
from contracts.orders.placing import MADE
from contracts.orders.v1 import ChangeAfterSale, RefundOrder, UpdateStatus
from contracts.orders.view import LISTS, ORDERS, Order, Status, seller_list, shop_list, status_list
from contracts.wire.envelope import Command, Timestamp
from infra.operators.timeline import timeline_of
from infra.runtime import roster

router = APIRouter(prefix="/api/orders", tags=["orders"], route_class=BodyRoute)

Reads = Annotated[Principal, needs("orders:read")]
Places = Annotated[Principal, needs("orders:write")]
Fulfils = Annotated[Principal, needs("orders:fulfil")]
Refunds = Annotated[Principal, needs("orders:refund")]
ShopPart = Annotated[ShopId, Path()]
OrderPart = Annotated[OrderId, Path()]
Timeline = Annotated[bool, Query(description="Whether to include its history; the answer is faster without.")]

_PLACING = (
    *("conflict", "shop_required", "shop_unknown", "distributor_unknown", "distributor_inactive", "product_unknown"),
    *("product_inactive", "currency_not_accepted", "placed_in_future", "total_mismatch", "discount_exceeds_amount"),
    *("amount_precision", "no_rules", "placed_too_long_ago", "total_too_large", "order_id_reserved"),
    *("not_for_distributors", "distributors_not_accepted", "own_earnings", "price_required"),
    *("too_many_unpaid_orders", "too_many_unpaid_units"),
)
_CHANGING = (
    *("not_found", "ambiguous_order", "precondition_failed", "not_paid", "not_shipped", "already_shipped"),
    *("order_rejected", "order_cancelled", "order_refunded", "own_earnings"),
)
_REFUNDING = (
    *("not_found", "ambiguous_order", "conflict", "not_paid", "order_rejected", "order_cancelled"),
    *("too_many_refunds", "not_ordered", "nothing_to_refund", "more_than_left", "amount_precision"),
)


@router.post(
    "",
    summary="Place an order",
    response_model=OrderView,
    status_code=201,
    responses=written(*_PLACING, shown=OrderView, created=True),
)
async def place_order(
    body: Annotated[NewOrder, Body(openapi_examples=ORDERS_BY_EXAMPLE)],
    ports: Here,
    principal: Places,
    writing: Writing,
) -> Response:
    """One product by `product_id`, `quantity` and `total_price`, or many `lines`. The shop is that of the token,
    else `shop_id`, else the default shop of the settings. An absent `order_id` is generated.

    A distributor orders only in shops that allow it, and chooses neither `order_id` nor `placed_at`. Each line costs
    something, and the shop limits what unpaid orders hold. A shop that has a login numbers its orders itself:
    there an administrator's `order_id` begins with `o-`.

    A repeat of the same order changes nothing; the same `order_id` with different content is refused. The answer shows
    the accepted order; its stock is reserved right after.
    """
    shop_id = shop_of(body, principal, ports.settings.default_shop_id)
    require_own_choices(body, principal)
    order_id = body.order_id or f"{MADE}{writing.derived('order')}"
    command = order_command(body, shop_id, order_id)
    _, shop, _, _ = await asyncio.gather(
        seller_of(ports.store, principal, body.distributor_id),
        known_shop(ports.store, command),
        require_no_own_prepaid(ports.store, principal, body, ports.time.now()),
        require_no_number_of_a_shop(ports.store, principal, body, shop_id, all_shops=not ports.identity.issues),
    )
    require_open(shop, principal, ports.settings.default_shop_id)

    async def show() -> Response:
        order = await find_order(ports.store, principal, order_id, shop_id)
        return await _written(order, principal)

    return await writing.write(command, show, location=f"/api/orders/{shop_id}/{order_id}")


@router.get(
    "",
    summary="List orders",
    response_model=Page[OrderView],
    responses=documented("invalid_cursor"),
)
async def list_orders(
    request: Request,
    ports: Here,
    principal: Reads,
    status: Annotated[Status | None, Query()] = None,
    distributor_id: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="The seller."), AS_IN_JSON] = None,
    shop_id: Annotated[ShopId | None, Query()] = None,
    placed_from: Annotated[Timestamp | None, Query(examples=["2026-11-01T00:00:00Z"])] = None,
    placed_to: Annotated[Timestamp | None, Query(description="Exclusive.", examples=["2026-12-01T00:00:00Z"])] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Newest first. A distributor sees their own and their downline's; a shop its own."""
    listed: list[dict[str, Any]] = []
    within: list[dict[str, Any]] = []
    if distributor_id is not None:
        listed.append({LISTS: seller_list(distributor_id)})
    if shop_id is not None:
        listed.append({LISTS: shop_list(shop_id)})
    if status is not None:
        listed.append({LISTS: status_list(status)})
    if placed_from is not None:
        within.append({"placed_at": {"$gte": placed_from}})
    if placed_to is not None:
        within.append({"placed_at": {"$lt": placed_to}})
    found, after = await page_of(
        ports.store,
        ORDERS,
        NEWEST,
        reach=orders_filter(principal),
        listed=listed,
        within=within,
        cursor=cursor,
        limit=limit,
    )
    return await built_page(
        Page[OrderView],
        sum(map(parts_of, found)),
        lambda: [order_view(order_of(document), principal) for document in found],
        next_link(request, after),
    )


_SHOWN: dict[str, Any] = {
    "response_model": OrderWithTimeline,
    "responses": {**documented("not_found", "ambiguous_order"), **NOT_MODIFIED},
}


@router.get("/{order_id}", summary="Show an order", **_SHOWN)
async def show_order(
    order_id: OrderPart,
    request: Request,
    ports: Here,
    principal: Reads,
    timeline: Timeline = True,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """By its id within the shop; if several shops have that order id, use `shop_id/order_id`."""
    return await _shown(request, ports, principal, await find_order(ports.store, principal, order_id, None), timeline)


@router.get("/{shop_id}/{order_id}", summary="Show a shop's order", **_SHOWN)
async def show_shop_order(
    shop_id: ShopPart,
    order_id: OrderPart,
    request: Request,
    ports: Here,
    principal: Reads,
    timeline: Timeline = True,
    if_none_match: IfNoneMatch = None,
) -> Response:
    order = await find_order(ports.store, principal, order_id, shop_id)
    return await _shown(request, ports, principal, order, timeline)


_CHANGED: dict[str, Any] = {
    "response_model": OrderView,
    "responses": written(*_CHANGING, shown=OrderView),
}


@router.patch("/{order_id}", summary="Change the status of an order", **_CHANGED)
async def change_order(
    order_id: OrderPart, body: StatusUpdate, ports: Here, principal: Fulfils, writing: Writing, if_match: IfMatch = None
) -> Response:
    """`completed` means that the customer has the goods, and starts the hold period of the commissions."""
    return await _changed(writing, await find_order(ports.store, principal, order_id, None), body, if_match)


@router.put("/{order_id}/status", summary="Set an order's status", **_CHANGED)
async def put_status(
    order_id: OrderPart, body: StatusUpdate, ports: Here, principal: Fulfils, writing: Writing, if_match: IfMatch = None
) -> Response:
    return await _changed(writing, await find_order(ports.store, principal, order_id, None), body, if_match)


@router.patch("/{shop_id}/{order_id}", summary="Change the status of a shop's order", **_CHANGED)
async def change_shop_order(
    shop_id: ShopPart,
    order_id: OrderPart,
    body: StatusUpdate,
    ports: Here,
    principal: Fulfils,
    writing: Writing,
    if_match: IfMatch = None,
) -> Response:
    return await _changed(writing, await find_order(ports.store, principal, order_id, shop_id), body, if_match)


_REFUNDED: dict[str, Any] = {
    "response_model": OrderView,
    "status_code": 201,
    "responses": written(*_REFUNDING, shown=OrderView, created=True),
}


@router.post("/{order_id}/refunds", summary="Refund an order", **_REFUNDED)
async def refund_order(
    order_id: OrderPart, body: NewRefund, ports: Here, principal: Refunds, writing: Writing
) -> Response:
    """Commissions are clawed back in proportion. A repeated `refund_id` is applied once."""
    return await _refunded(writing, await find_order(ports.store, principal, order_id, None), body)


@router.post("/{shop_id}/{order_id}/refunds", summary="Refund a shop's order", **_REFUNDED)
async def refund_shop_order(
    shop_id: ShopPart, order_id: OrderPart, body: NewRefund, ports: Here, principal: Refunds, writing: Writing
) -> Response:
    return await _refunded(writing, await find_order(ports.store, principal, order_id, shop_id), body)


_AFTER_SALE: dict[str, Any] = {
    "response_model": OrderView,
    "responses": written(
        *("not_found", "ambiguous_order", "not_paid", "order_rejected", "order_cancelled", "order_refunded"),
        *("own_earnings", "too_many_changes"),
        shown=OrderView,
    ),
}


@router.put("/{order_id}/after-sale", summary="Open or close an after-sale case", **_AFTER_SALE)
async def put_after_sale(
    order_id: OrderPart, body: AfterSale, ports: Here, principal: Refunds, writing: Writing
) -> Response:
    """While the case is open, no commission of the order is released."""
    return await _after_sale(writing, await find_order(ports.store, principal, order_id, None), body)


@router.put(
    "/{shop_id}/{order_id}/after-sale",
    summary="Open or close the after-sale case of a shop's order",
    **_AFTER_SALE,
)
async def put_shop_after_sale(
    shop_id: ShopPart, order_id: OrderPart, body: AfterSale, ports: Here, principal: Refunds, writing: Writing
) -> Response:
    return await _after_sale(writing, await find_order(ports.store, principal, order_id, shop_id), body)


async def _shown(request: Request, ports: Any, principal: Principal, order: Order, timeline: bool) -> Response:
    found = await timeline_of(ports.store, roster.names(), order.key) if timeline else None

    def response() -> Response:
        return read_response(request, order_with_timeline(order, principal, found), order.version, content_too=True)

    return await built(size_of(order), response)


async def _changed(writing: Writer, order: Order, body: StatusUpdate, if_match: str | None) -> Response:
    check_match(if_match, etag_of(order.version))
    await _require_no_earnings(writing, order, body.status)
    require_step(order, body.status)
    command = UpdateStatus(shop_id=order.shop_id, order_id=order.order_id, status=body.status)
    return await _write(writing, order, command)


async def _require_no_earnings(writing: Writer, order: Order, step: str) -> None:
    ports = writing.ports
    await require_no_earnings(ports.store, writing.principal, order, step, ports.time.now())


async def _refunded(writing: Writer, order: Order, body: NewRefund) -> Response:
    require_step(order, "refund")
    refund_id = body.refund_id or f"r-{writing.derived('refund')}"
    command = RefundOrder(shop_id=order.shop_id, order_id=order.order_id, refund_id=refund_id, lines=tuple(body.lines))
    return await _write(writing, order, command, location=f"/api/orders/{order.key}")


async def _after_sale(writing: Writer, order: Order, body: AfterSale) -> Response:
    await _require_no_earnings(writing, order, "after_sale" if body.open else "after_sale_closed")
    require_step(order, "after_sale")
    command = ChangeAfterSale(shop_id=order.shop_id, order_id=order.order_id, open=body.open)
    return await _write(writing, order, command)


async def _write(writing: Writer, order: Order, command: Command, *, location: str | None = None) -> Response:
    async def show() -> Response:
        found = await find_order(writing.ports.store, writing.principal, order.order_id, order.shop_id)
        return await _written(found, writing.principal)

    return await writing.write(command, show, location=location, before=plain(order))


async def _written(order: Order, principal: Principal) -> Response:
    return await built(size_of(order), lambda: written_response(order_view(order, principal), order.version))
