"""What refunds leave of an order's commissions: it depends on the refunded totals, never on the single refunds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from contracts.commissions.view import Entry, LineRefund
from contracts.money import RATE_SCALE, largest_remainder
from contracts.plans.calculation import rounded_together

WITHIN_THE_POOL = 3
"""The first number of `contracts.plans.calculation.ARITHMETIC` that keeps what is left within its pool."""


@dataclass(slots=True)
class _Plan:
    """What rounding has kept back from each earner of a plan, in minor units / RATE_SCALE."""

    owed: dict[int, int] = field(default_factory=dict)


def left_of(
    entries: Sequence[Entry], pools_minor: Iterable[int], lines: Iterable[LineRefund], arithmetic: int
) -> tuple[int, ...]:
    """Return what each entry of an order is still worth after the refunds of its lines, in minor units.

    A percentage falls with the money refunded. A fixed amount falls with the units, and to nothing when all the money
    is refunded. Together they are cut to the pool of what is left of the line, in the order of the plans. The exact
    parts, in whole millionths of a minor unit, are rounded as at the accrual: together, and counting what earlier
    refunded lines owe. `pools_minor` has the pool of each line.
    """
    left = [entry.amount_minor for entry in entries]
    places: defaultdict[int, list[int]] = defaultdict(list)
    for place, entry in enumerate(entries):
        places[entry.line].append(place)
    plans: defaultdict[str, _Plan] = defaultdict(_Plan)
    for pool_minor, line in zip(pools_minor, lines, strict=True):
        if line.refunded_minor or line.refunded_quantity:
            of_line = [entries[place] for place in places[line.line]]
            if arithmetic < WITHIN_THE_POOL:
                taken = taken_back(of_line, line)
                amounts = [entry.amount_minor - minor for entry, minor in zip(of_line, taken, strict=True)]
            else:
                amounts = _left_of_line(of_line, pool_minor, line, plans)
            for place, amount in zip(places[line.line], amounts, strict=True):
                left[place] = amount
    return tuple(left)


def pool_left(pool_minor: int, refund: LineRefund, arithmetic: int) -> int:
    """Return how much of the line's pool is left: it falls with the money refunded."""
    money, all_money = _of_money(refund)
    if arithmetic < WITHIN_THE_POOL:
        return pool_minor - largest_remainder([pool_minor * money], all_money)[0]
    return pool_minor * (all_money - money) // all_money


def taken_back(entries: Sequence[Entry], refund: LineRefund) -> tuple[int, ...]:
    """Return what the earlier arithmetic takes back so far of each entry of a refunded line; positive minor units.

    It rounds each line by itself, half up, and knows no pool.
    """
    money, all_money = _of_money(refund)
    units = refund.quantity if money == all_money else refund.refunded_quantity
    numerators = [
        entry.amount_minor * (units * all_money if entry.unit_minor > 0 else money * refund.quantity)
        for entry in entries
    ]
    return tuple(largest_remainder(numerators, all_money * refund.quantity))


def _left_of_line(
    entries: Sequence[Entry], pool_minor: int, refund: LineRefund, plans: Mapping[str, _Plan]
) -> list[int]:
    money, all_money = _of_money(refund)
    money_left = all_money - money
    units_left = refund.quantity - refund.refunded_quantity if money_left else 0
    pool = pool_minor * money_left * RATE_SCALE // all_money
    shares = []
    for entry in entries:
        whole = entry.amount_minor * RATE_SCALE
        of_all = whole * units_left // refund.quantity if entry.unit_minor > 0 else whole * money_left // all_money
        share = min(of_all, pool)
        pool -= share
        shares.append((plans[entry.plan], entry, share, None))
    return rounded_together(shares, pool_left(pool_minor, refund, WITHIN_THE_POOL))


def _of_money(refund: LineRefund) -> tuple[int, int]:
    """The refunded fraction of the line's money; for a line that cost nothing, of its units."""
    if refund.net_minor == 0:
        return refund.refunded_quantity, refund.quantity
    return refund.refunded_minor, refund.net_minor
