"""What refunds take back of a line's commissions: it depends on the refunded totals, never on the single refunds."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.commissions.view import Entry, LineRefund
from contracts.money import largest_remainder


def taken_back(entries: Sequence[Entry], refund: LineRefund) -> tuple[int, ...]:
    """Return what is taken back so far of each entry of the refunded line, in their order; positive minor units.

    A percentage falls with the money refunded. A fixed amount falls with the units, and to nothing when all the money
    is refunded. The exact parts are rounded together, so a full refund takes back everything. At a partial refund, one
    entry may gain a minor unit that rounding takes from another.
    """
    money, all_money = _of_money(refund)
    units = refund.quantity if money == all_money else refund.refunded_quantity
    numerators = [
        entry.amount_minor * (units * all_money if entry.unit_minor > 0 else money * refund.quantity)
        for entry in entries
    ]
    return tuple(largest_remainder(numerators, all_money * refund.quantity))


def pool_taken_back(pool_minor: int, refund: LineRefund) -> int:
    """Return how much of the line's pool is taken back so far: it falls with the money refunded."""
    money, all_money = _of_money(refund)
    return largest_remainder([pool_minor * money], all_money)[0]


def _of_money(refund: LineRefund) -> tuple[int, int]:
    """The refunded fraction of the line's money; for a line that cost nothing, of its units."""
    if refund.net_minor == 0:
        return refund.refunded_quantity, refund.quantity
    return refund.refunded_minor, refund.net_minor
