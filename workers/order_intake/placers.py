"""What a distributor may place who orders over HTTP: in which shop, at what price, and how much without having paid.

The same person earns from the order, so none of it may cost nothing, and unpaid orders may not empty the shelves.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from contracts.network.view import Distributor, Shop, chain_at
from contracts.orders.placing import PlacingError
from contracts.orders.v1 import UPLINE_DEPTH_MAX
from workers.order_intake.model import Order, Placer

NEW_FOR = timedelta(days=7)
"""How long a distributor who has registered has no limits of their own: logins are made in seconds."""

_NEW_BELOW = "below/"


def limited_as(placer: str, distributors: Mapping[int, Distributor], at: datetime) -> str:
    """As whom a placer is limited: a new distributor shares one limit with all new ones below the nearest upline who
    is not new. That upline keeps their own limit, so that those below cannot use it up.

    The top of a network is not new: an administrator registers it.
    """
    if not placer.isdecimal() or int(placer) not in distributors:
        return placer
    for distributor_id in chain_at(int(placer), distributors, at, UPLINE_DEPTH_MAX):
        known = distributors[distributor_id]
        if known.standings[0].since <= at - NEW_FOR or known.sponsor_at(at) is None:
            return placer if distributor_id == int(placer) else f"{_NEW_BELOW}{distributor_id}"
    # No one above is old: those who come so far down in a week share one limit.
    return _NEW_BELOW


def with_one_more(placer: Placer | None, shop: Shop, order: Order) -> Placer | None:
    """The placer with this order; None for an order of another sender. Raises PlacingError."""
    if placer is None:
        return None
    if shop.distributor_orders is False:
        detail = f"shop_id: shop {shop.shop_id} takes no orders from distributors; order at the shop itself."
        raise PlacingError("distributors_not_accepted", detail)
    if order.prepaid:
        detail = "prepaid: a distributor earns from the order, so the shop has to report that it is paid; leave it out."
        raise PlacingError("not_for_distributors", detail)
    if free := next((line for line in order.lines if line.net_minor <= 0), None):
        detail = f"lines.{free.line - 1}.amount: product {free.product_id} costs nothing; give its price."
        raise PlacingError("price_required", detail)
    orders, units = placer.orders + 1, placer.units + order.units
    if orders > shop.distributor_unpaid_orders_max:
        detail = (
            f"order_id: {_who(placer)} have {placer.orders} unpaid orders, and shop {shop.shop_id} allows "
            f"{shop.distributor_unpaid_orders_max}; wait until one is paid or cancelled."
        )
        raise PlacingError("too_many_unpaid_orders", detail)
    if units > shop.distributor_unpaid_units_max:
        detail = (
            f"lines: {_who(placer)} have unpaid orders of {placer.units} units, with these {units}, and shop "
            f"{shop.shop_id} allows {shop.distributor_unpaid_units_max}; order less, or wait until an order is paid or "
            "cancelled."
        )
        raise PlacingError("too_many_unpaid_units", detail)
    return Placer(placer.placer, orders, units, placer.turn + 1)


def _who(placer: Placer) -> str:
    if placer.placer.startswith(_NEW_BELOW):
        return f"you and others who registered in the last {NEW_FOR.days} days in your branch"
    return "you"
