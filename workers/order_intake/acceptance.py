"""What must hold of an order before it is accepted, and its snapshot of shop, network, catalog and rules."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from contracts.fields import ORDER_MINOR_MAX
from contracts.money import MoneyError, to_amount, to_minor
from contracts.network.view import Shop
from contracts.orders.placing import PlacingError, check_number, placed_at_of, placer_of
from contracts.orders.v2 import PlaceOrder
from contracts.orders.view import Line, Sponsor
from contracts.rules.view import in_force
from contracts.wire.envelope import Message
from workers.order_intake.model import Order, Placer, State
from workers.order_intake.placers import placed_by, with_one_more


class UnknownReference(PlacingError):
    """The order refers to something unknown that may still arrive."""


def accept(state: State, message: Message[PlaceOrder], fingerprint: str) -> tuple[Order, Placer | None]:
    """The order as of its time, and its placer with one order more. Raises PlacingError if it cannot be accepted."""
    command = message.data
    shop = state.shop
    if shop is None:
        raise UnknownReference("shop_unknown", f"shop_id: shop {command.shop_id} is not registered.")
    if command.currency not in (None, shop.currency):
        detail = f"currency: shop {shop.shop_id} sells in {shop.currency}, not in {command.currency}."
        raise PlacingError("currency_not_accepted", detail)
    check_number(message)
    placed_at = placed_at_of(message, shop)
    upline = _upline(state, command.distributor_id, placed_at)
    rule_version = _rule_version(state, shop.market, placed_at)
    lines = _lines(state, command, shop)
    shipping = _minor(command.shipping, shop.currency, "shipping")
    tax = _minor(command.tax, shop.currency, "tax")
    total = sum(line.net_minor for line in lines) + shipping + tax
    if command.total is not None and _minor(command.total, shop.currency, "total") != total:
        due = to_amount(total, shop.currency)
        raise PlacingError("total_mismatch", f"total: lines, shipping and tax add up to {due}, not {command.total}.")
    if total > ORDER_MINOR_MAX[shop.currency]:
        due, most = (to_amount(minor, shop.currency) for minor in (total, ORDER_MINOR_MAX[shop.currency]))
        detail = f"lines: with shipping and tax they add up to {due}, and an order may come to {most}; split the order."
        raise PlacingError("total_too_large", detail)
    placer, distributor = state.placer, placer_of(message.source) or ""
    order = Order(
        key=command.key,
        shop_id=command.shop_id,
        order_id=command.order_id,
        fingerprint=fingerprint,
        version=1,
        status="pending",
        distributor_id=command.distributor_id,
        currency=shop.currency,
        placed_at=placed_at,
        lines=lines,
        shipping_minor=shipping,
        tax_minor=tax,
        prepaid=command.prepaid,
        upline=upline,
        team=state.team_of(command.distributor_id, placed_at),
        rule_version=rule_version,
        payment_deadline_s=shop.payment_deadline_s,
        placed_by=placed_by(placer, distributor) if placer is not None else None,
        received_at=None if command.prepaid else message.received_at,
    )
    return order, with_one_more(placer, distributor, shop, order)


def _upline(state: State, seller_id: int, placed_at: datetime) -> tuple[Sponsor, ...]:
    """The seller and everyone above, with tiers and activity as of the order's time."""
    seller = state.distributors.get(seller_id)
    if seller is None:
        raise UnknownReference("distributor_unknown", f"distributor_id: distributor {seller_id} is not registered.")
    if not seller.standing_at(placed_at).active:
        raise PlacingError("distributor_inactive", f"distributor_id: distributor {seller_id} was not active then.")
    return state.upline_of(seller_id, placed_at)


def _rule_version(state: State, market: str, placed_at: datetime) -> int:
    version = in_force(placed_at, market, state.tenures)
    if version is None:
        detail = f"placed_at: no rules were in force in market {market} at {placed_at.isoformat()}; activate some."
        raise UnknownReference("no_rules", detail)
    return version


def _lines(state: State, command: PlaceOrder, shop: Shop) -> tuple[Line, ...]:
    lines = []
    for number, line in enumerate(command.lines, start=1):
        where = f"lines.{number - 1}"
        product = state.products.get(line.product_id)
        if product is None:
            raise UnknownReference("product_unknown", f"{where}.product_id: product {line.product_id} is not defined.")
        if not product.active:
            raise PlacingError("product_inactive", f"{where}.product_id: product {line.product_id} is not sold.")
        amount = _minor(line.amount, shop.currency, f"{where}.amount")
        discount = _minor(line.discount, shop.currency, f"{where}.discount")
        if discount > amount:
            detail = f"{where}.discount: {line.discount} is more than the line's amount, {line.amount}."
            raise PlacingError("discount_exceeds_amount", detail)
        lines.append(Line(number, line.product_id, product.category_id, line.quantity, amount, discount))
    return tuple(lines)


def _minor(amount: Decimal, currency: str, where: str) -> int:
    try:
        return to_minor(amount, currency)
    except MoneyError as error:
        raise PlacingError("amount_precision", f"{where}: {error}.") from error
