"""Fingerprints of an order's or a refund's content: equal content has the same fingerprint.

Amounts count by value: 19.9 and 19.90 are the same.
"""

from __future__ import annotations

from decimal import Decimal

from contracts.orders.v1 import RefundOrder
from contracts.orders.v2 import PlaceOrder
from contracts.wire.envelope import derived_id


def fingerprint_of(command: PlaceOrder) -> str:
    """The fingerprint of an order's content, without its ids."""
    amounts = [command.shipping, command.tax, command.total]
    parts: list[object] = [command.distributor_id, command.currency, command.placed_at, command.prepaid]
    for line in command.lines:
        parts += [line.product_id, line.quantity]
        amounts += [line.amount, line.discount]
    return derived_id(*parts, *map(_by_value, amounts))


def refund_fingerprint_of(command: RefundOrder) -> str:
    """The fingerprint of a refund's content, without its ids."""
    parts: list[object] = []
    for line in command.lines:
        parts += [line.product_id, line.quantity, line.line, _by_value(line.amount)]
    return derived_id("refund", *parts)


def _by_value(amount: Decimal | None) -> Decimal | None:
    # Adding 0 turns -0 into 0.
    return amount if amount is None else amount.normalize() + 0
