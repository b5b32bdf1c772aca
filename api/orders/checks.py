"""Checks an order before its command is sent, so that a client need not wait for the worker's retries."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from api.access.scope import acts_for, may_earn_from, reaches
from api.http.bodies import Body
from api.http.problems import Problem, Reason
from api.identity.principal import Principal
from api.identity.repository import CLIENTS
from contracts.catalog.view import PRODUCTS
from contracts.fields import LINES_MAX, Amount, Currency, DistributorId, OrderId, ProductId, Quantity, ShopId
from contracts.network.view import DISTRIBUTORS, SHOPS
from contracts.orders import v1, v2
from contracts.orders.placing import MADE
from contracts.orders.view import Order
from contracts.wire.envelope import Timestamp
from infra.ports.store import Document, Reader

REASONS = {
    "ambiguous_order": Reason(
        409,
        "Several shops have an order of this id; name it as shop_id/order_id.",
        "多个店铺存在该订单号，请使用 shop_id/order_id。",
    ),
    "own_earnings": Reason(
        403,
        "You earn from this order, so another user has to do this.",
        "您从该订单中获得佣金，须由他人执行此操作。",
    ),
}


class _NewOrder(Body):
    shop_id: Annotated[ShopId | None, Field(description="Absent: the shop of the token, or the default one.")] = None
    order_id: Annotated[
        OrderId | None,
        Field(
            description="Absent: one is generated, always for a distributor's order. A shop's never begins with o-. "
            "In a shop that has a login, everyone else's does."
        ),
    ] = None
    distributor_id: DistributorId


class SimpleOrder(_NewOrder):
    """One product, in the shop's currency, paid later."""

    product_id: ProductId
    quantity: Quantity
    total_price: Annotated[Amount, Field(description="What the customer pays for all units together.")]


class OrderOfLines(_NewOrder):
    """Many lines, with discounts, shipping and tax."""

    currency: Annotated[Currency | None, Field(description="Absent: the shop's.")] = None
    placed_at: Annotated[
        Timestamp | None,
        Field(description="Absent: now, always for a distributor's.", examples=["2026-11-22T12:00:00Z"]),
    ] = None
    lines: Annotated[list[v2.Line], Field(min_length=1, max_length=LINES_MAX, fail_fast=True)]
    shipping: Annotated[Amount, Field(examples=["8.00"])] = v2.PlaceOrder.model_fields["shipping"].default
    tax: Annotated[Amount, Field(examples=["0.00"])] = v2.PlaceOrder.model_fields["tax"].default
    total: Annotated[Amount | None, Field(description="If given, it must be the sum of lines, shipping and tax.")] = (
        None
    )
    prepaid: Annotated[bool, Field(strict=True, description="Paid already; needs orders:fulfil.")] = False


def _form(body: Any) -> str:
    has_lines = "lines" in body if isinstance(body, dict) else isinstance(body, OrderOfLines)
    return "lines" if has_lines else "simple"


NewOrder = Annotated[
    Annotated[SimpleOrder, Tag("simple")] | Annotated[OrderOfLines, Tag("lines")], Discriminator(_form)
]
"""Either form, distinguished by `lines`."""

PlaceOrder = v1.PlaceOrder | v2.PlaceOrder


def shop_of(body: SimpleOrder | OrderOfLines, principal: Principal, default: str | None) -> str:
    """The shop of the order. Raises Problem shop_required, and shop_unknown for a shop other than the principal's."""
    if principal.shop_id is not None and body.shop_id not in (None, principal.shop_id):
        raise Problem("shop_unknown", detail=f"shop_id: your token belongs to {principal.shop_id}.")
    shop_id = principal.shop_id or body.shop_id or default
    if shop_id is None:
        raise Problem("shop_required")
    return shop_id


def order_command(body: SimpleOrder | OrderOfLines, shop_id: str, order_id: str) -> PlaceOrder:
    """The command of the form's contract version."""
    sent = {name: getattr(body, name) for name in body.__class__.model_fields}
    fields = {**sent, "shop_id": shop_id, "order_id": order_id}
    return v1.PlaceOrder(**fields) if isinstance(body, SimpleOrder) else v2.PlaceOrder(**fields)


def require_own_choices(body: SimpleOrder | OrderOfLines, principal: Principal) -> None:
    """What each principal may choose of an order. Raises Problem insufficient_scope, not_for_distributors,
    order_id_reserved.

    A distributor earns from the order: the number of a shop's next order, a past day with better rules, or `prepaid`
    would be money. A shop in turn never takes a number that is made for others.
    """
    of_lines = body if isinstance(body, OrderOfLines) else None
    if of_lines is not None and of_lines.prepaid and "orders:fulfil" not in principal.permissions:
        raise Problem("insufficient_scope", detail="prepaid: needs orders:fulfil.", needs=["orders:fulfil"])
    if principal.kind == "distributor":
        chosen = {
            "order_id": body.order_id is not None,
            "placed_at": of_lines is not None and of_lines.placed_at is not None,
            "prepaid": of_lines is not None and of_lines.prepaid,
        }
        if named := [name for name, is_given in chosen.items() if is_given]:
            raise Problem("not_for_distributors", detail=f"{', '.join(named)}: leave it out.")
    if principal.kind == "shop" and body.order_id is not None and body.order_id.startswith(MADE):
        raise Problem("order_id_reserved", detail=f"order_id: {body.order_id} begins with {MADE}.")


async def require_no_number_of_a_shop(
    reader: Reader, principal: Principal, body: SimpleOrder | OrderOfLines, shop_id: str, *, all_shops: bool
) -> None:
    """A shop with a login numbers its orders itself: under the number that it uses next, another order would be the
    one that it reports as paid. A number that no shop may choose is no such one. `all_shops`: whose logins are not
    known here. Raises Problem order_id_reserved.
    """
    if body.order_id is None or body.order_id.startswith(MADE) or principal.kind == "shop":
        return
    if all_shops or await CLIENTS.one(reader, {"shop_id": shop_id, "active": True}):
        detail = f"order_id: shop {shop_id} numbers its orders itself; begin it with {MADE}, or leave it out."
        raise Problem("order_id_reserved", detail=detail)


def require_open(shop: Document, principal: Principal, default: str | None) -> None:
    """Whether the shop takes orders of distributors is its own setting; without one, only the default shop does.

    Raises Problem distributors_not_accepted.
    """
    is_open = shop.get("distributor_orders")
    if principal.kind == "distributor" and not (shop["_id"] == default if is_open is None else is_open):
        raise Problem("distributors_not_accepted", detail=f"shop_id: {shop['_id']} takes no orders from distributors.")


async def require_no_own_prepaid(
    reader: Reader, principal: Principal, body: SimpleOrder | OrderOfLines, now: datetime
) -> None:
    """Who may earn from an order does not enter it as paid, whatever else they are. Raises Problem own_earnings."""
    if not (isinstance(body, OrderOfLines) and body.prepaid) or principal.kind == "shop":
        return
    if own := await may_earn_from(reader, principal, body.distributor_id, now):
        raise Problem("own_earnings", detail=f"prepaid: {_named(own)} may earn from it.")


async def require_no_earnings(reader: Reader, principal: Principal, order: Order, step: str, now: datetime) -> None:
    """Who earns from an order does not bring the money closer, whatever else they are. Raises Problem own_earnings."""
    if principal.kind == "shop" or step not in ("paid", "completed", "after_sale_closed"):
        return
    if own := await acts_for(reader, principal, order.earners, now):
        raise Problem("own_earnings", detail=f"{step}: {_named(own)} earns from {order.key}.")


def _named(distributor_ids: set[int]) -> str:
    return f"distributor {min(distributor_ids)}, who is you or whose login you made or changed within a week,"


async def seller_of(reader: Reader, principal: Principal, distributor_id: int) -> None:
    """A distributor sells for themselves and their downline. Raises Problem distributor_unknown for another seller."""
    if principal.kind == "distributor" and not await reaches(reader, principal, distributor_id):
        raise Problem("distributor_unknown", detail=f"distributor_id: {distributor_id} is not in your downline.")


async def known_shop(reader: Reader, command: PlaceOrder) -> Document:
    """The shop of the order: its id, and whether it takes orders of distributors.

    Raises the Problem of an unknown shop, distributor or product: a worker would retry for minutes.
    """
    wanted = {command.product_id} if isinstance(command, v1.PlaceOrder) else {x.product_id for x in command.lines}
    shops, distributors, products = await asyncio.gather(
        reader.find(SHOPS, {"_id": command.shop_id}, limit=1, fields=("_id", "distributor_orders")),
        reader.find(DISTRIBUTORS, {"_id": command.distributor_id}, limit=1, fields=("_id",)),
        reader.find(PRODUCTS, {"_id": {"$in": sorted(wanted)}}, fields=("_id",)),
    )
    if not shops:
        raise Problem("shop_unknown", detail=f"shop_id: shop {command.shop_id} is not registered.")
    if not distributors:
        detail = f"distributor_id: distributor {command.distributor_id} is not registered."
        raise Problem("distributor_unknown", detail=detail)
    if missing := wanted - {product["_id"] for product in products}:
        raise Problem("product_unknown", detail=f"product_id: product {min(missing)} is not in the catalogue.")
    return shops[0]


def require_step(
    order: Order, step: Literal["paid", "shipped", "completed", "cancelled", "refund", "after_sale"]
) -> None:
    """Raise the Problem of a step before its predecessor: a worker would retry for minutes."""
    if order.status == "pending" and step in ("shipped", "completed", "refund", "after_sale"):
        raise Problem("not_paid", detail=f"order {order.key} is pending.")
    if order.status == "paid" and step == "completed":
        raise Problem("not_shipped", detail=f"order {order.key} has not shipped.")
