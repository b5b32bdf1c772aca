"""What a distributor may place who orders over HTTP: in which shop, at what price, and how much without having paid.

The same person earns from the order, so none of it may cost nothing, and unpaid orders may not empty the shelves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from contracts.network.view import Distributor, Shop, chain_at
from contracts.orders.placing import PlacingError
from contracts.orders.v1 import UPLINE_DEPTH_MAX
from workers.order_intake.model import Order, Placer

NEW_FOR = timedelta(days=7)
"""How long a distributor who has registered has no limits of their own: logins are made in seconds."""

SHARE = 4
"""Of the limit that new ones share, each of them may use up a quarter."""

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


def placed_by(placer: Placer, distributor: str) -> str:
    """What an order keeps of who placed it: the distributor, after the limit that they share."""
    return f"{placer.placer}/{distributor}" if _is_shared(placer) else placer.placer


def limit_of(placed_by: str) -> tuple[str, str]:
    """The limit that an unpaid order counts for, and the distributor if they share it."""
    if not placed_by.startswith(_NEW_BELOW) or placed_by.count("/") < 2:
        return placed_by, ""
    limit, _, distributor = placed_by.rpartition("/")
    return limit, distributor


def with_one_more(placer: Placer | None, distributor: str, shop: Shop, order: Order) -> Placer | None:
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
    shared = distributor if _is_shared(placer) else ""
    if shared:
        _check(placer.share_of(shared), shop, order, _YOU, SHARE)
    _check((placer.orders, placer.units), shop, order, _YOU_AND_OTHERS if shared else _YOU)
    return replace(placer.with_unpaid(shared, order.units), turn=placer.turn + 1)


_YOU = "you"
_YOU_AND_OTHERS = f"you and others who registered in the last {NEW_FOR.days} days in your branch"


def _check(held: tuple[int, int], shop: Shop, order: Order, who: str, share: int = 1) -> None:
    """Raise PlacingError if with this order there are more unpaid orders or units than one `share`-th of the limit."""
    orders, units = held
    allows = f"shop {shop.shop_id} allows" + (f" in the first {NEW_FOR.days} days" if share > 1 else "")
    if orders + 1 > (most := max(shop.distributor_unpaid_orders_max // share, 1)):
        detail = (
            f"order_id: {who} have {orders} unpaid orders, and {allows} {most}; wait until one is paid or cancelled."
        )
        raise PlacingError("too_many_unpaid_orders", detail)
    if units + order.units > (most := max(shop.distributor_unpaid_units_max // share, 1)):
        detail = (
            f"lines: {who} have unpaid orders of {units} units, with these {units + order.units}, and {allows} {most}; "
            "order less, or wait until an order is paid or cancelled."
        )
        raise PlacingError("too_many_unpaid_units", detail)


def _is_shared(placer: Placer) -> bool:
    return placer.placer.startswith(_NEW_BELOW)
