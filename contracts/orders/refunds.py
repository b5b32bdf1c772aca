"""What a refund takes from which line of an order: the meaning of `order.refund`, so that a shop can foretell it.

Amounts in minor units. Of each line at most what is left can go back, units and money alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from contracts.money import MoneyError, to_amount, to_minor
from contracts.orders.v1 import RefundLine, RefundOrder


class Line(Protocol):
    """A line of an order, with what went back of it so far."""

    @property
    def line(self) -> int: ...
    @property
    def product_id(self) -> int: ...
    @property
    def quantity(self) -> int: ...
    @property
    def net_minor(self) -> int: ...
    @property
    def refunded_quantity(self) -> int: ...
    @property
    def refunded_minor(self) -> int: ...


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What a refund takes from one line."""

    line: int
    quantity: int
    amount_minor: int


class RefundError(ValueError):
    """The refund cannot be booked: a reason code, and a sentence that names the field and the figures."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def give_back(lines: Sequence[Line], wish: RefundOrder, currency: str) -> tuple[GivenBack, ...]:
    """Return what each touched line gives back, in the order of the lines.

    A product on several lines is taken from them in order, its units and its money. Raises RefundError with
    `not_ordered`, `nothing_to_refund`, `more_than_left` or `amount_precision`.
    """
    rests = {line.line: _Rest(line) for line in lines}
    for index, asked in enumerate(wish.lines):
        among = [rest for rest in rests.values() if rest.line.product_id == asked.product_id]
        among = [rest for rest in among if asked.line in (None, rest.line.line)]
        units, money = asked.quantity, _minor(asked, currency, index)
        _check(among, asked, money, currency, index)
        for rest in among:
            taken = min(units, rest.quantity)
            given = rest.worth_of(taken) if money is None else min(money, rest.minor)
            rest.quantity -= taken
            rest.minor -= given
            units -= taken
            money = None if money is None else money - given
    return tuple(rest.taken() for rest in rests.values() if rest.is_touched)


class _Rest:
    """What is left of a line while a refund is worked out."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self._before = (line.quantity - line.refunded_quantity, line.net_minor - line.refunded_minor)
        self.quantity, self.minor = self._before

    def worth_of(self, quantity: int) -> int:
        """What so many more units come to: their share of the net, and for the last ones all that is left of it."""
        if quantity == 0:
            return 0
        if quantity == self.quantity:
            return self.minor
        net = self.line.net_minor
        gone = self.line.quantity - self.quantity + quantity
        return max(net * gone // self.line.quantity - (net - self.minor), 0)

    @property
    def is_touched(self) -> bool:
        return (self.quantity, self.minor) != self._before

    def taken(self) -> GivenBack:
        quantity, minor = self._before
        return GivenBack(self.line.line, quantity - self.quantity, minor - self.minor)


def _minor(asked: RefundLine, currency: str, index: int) -> int | None:
    if asked.amount is None:
        return None
    try:
        return to_minor(asked.amount, currency)
    except MoneyError as error:
        raise RefundError("amount_precision", f"lines.{index}.amount: {error}.") from error


def _check(among: Sequence[_Rest], asked: RefundLine, money: int | None, currency: str, index: int) -> None:
    where, product = f"lines.{index}", f"product {asked.product_id}"
    if not among:
        place = "the order" if asked.line is None else f"line {asked.line} of the order"
        raise RefundError("not_ordered", f"{where}: {product} is not on {place}.")
    if not asked.quantity and not money:
        raise RefundError("nothing_to_refund", f"{where}: say how many units or how much money of {product} goes back.")
    quantity, minor = sum(rest.quantity for rest in among), sum(rest.minor for rest in among)
    if asked.quantity > quantity or (money or 0) > minor:
        wanted = f"{asked.quantity} units" + ("" if money is None else f" and {to_amount(money, currency)}")
        left = f"{quantity} units and {to_amount(minor, currency)}"
        raise RefundError("more_than_left", f"{where}: {wanted} of {product} asked for, {left} are left.")
