"""What a distributor may place who orders over HTTP: in which shop, at what price, and how much without having paid.

The same person earns from the order, so none of it may cost nothing, and unpaid orders may not empty the shelves.
"""

from __future__ import annotations

from contracts.network.view import Shop
from contracts.orders.placing import PlacingError
from workers.order_intake.model import Order, Placer


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
            f"order_id: you have {placer.orders} unpaid orders, and shop {shop.shop_id} allows "
            f"{shop.distributor_unpaid_orders_max}; wait until one is paid or cancelled."
        )
        raise PlacingError("too_many_unpaid_orders", detail)
    if units > shop.distributor_unpaid_units_max:
        detail = (
            f"lines: with the {placer.units} units of your unpaid orders they hold {units}, and shop {shop.shop_id} "
            f"allows {shop.distributor_unpaid_units_max}; order less, or wait until an order is paid or cancelled."
        )
        raise PlacingError("too_many_unpaid_units", detail)
    return Placer(placer.id, orders, units, placer.turn + 1)
