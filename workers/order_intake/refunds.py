"""What a refund takes from which line of an order: the meaning of `order.refund`, so that a shop can foretell it.

What went back follows from what all refunds together asked for, never from their order. Amounts in minor units.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from contracts.money import MoneyError, to_amount, to_minor
from contracts.orders.v1 import RefundLine, RefundOrder
from contracts.orders.view import GivenBack, Line


@dataclass(frozen=True, slots=True)
class Asked:
    """What one line of a refund asked for. Without an amount, the units' share of the net; without a line, any line
    of the product.
    """

    product_id: int
    quantity: int
    amount_minor: int | None
    line: int | None


class RefundError(ValueError):
    """The refund cannot be booked: a reason code, and a sentence that names the field and the figures."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def asked_for(command: RefundOrder, currency: str) -> tuple[Asked, ...]:
    """Return the lines of the refund in minor units. Raises RefundError with `amount_precision`."""
    return tuple(
        Asked(asked.product_id, asked.quantity, _minor(asked, currency, index), asked.line)
        for index, asked in enumerate(command.lines)
    )


def give_back(
    lines: Sequence[Line], before: Iterable[Asked], asked: Sequence[Asked], currency: str
) -> tuple[GivenBack, ...]:
    """Return what each touched line gives back, in the order of the lines. `before` is what earlier refunds asked for.

    Units without an amount bring the share of the net that all such units of the line have, less what they brought
    before; at most what is left of the line. A product on several lines is taken from them in order. Raises
    RefundError with `not_ordered`, `nothing_to_refund` or `more_than_left`.
    """
    of_product: defaultdict[int, list[Line]] = defaultdict(list)
    for line in lines:
        of_product[line.product_id].append(line)
    products = {product_id: _Product(those) for product_id, those in of_product.items()}
    for earlier in before:
        products[earlier.product_id].add(earlier)
    for index, each in enumerate(asked):
        product = products.get(each.product_id)
        _check(product.left(each.line) if product else {}, each, currency, index)
        products[each.product_id].add(each)
    sums = {number: after for product in products.values() for number, after in product.sums().items()}
    parts = (
        GivenBack(line.line, sums[line.line][0] - line.refunded_quantity, sums[line.line][1] - line.refunded_minor)
        for line in lines
    )
    return tuple(part for part in parts if part.quantity or part.amount_minor)


def as_asked(lines: Sequence[Line], parts: Iterable[GivenBack]) -> tuple[Asked, ...]:
    """Return what refunds asked for of which only the outcome is known: for each line its units and money in all.

    Where the money is exactly the units' share, it counts as their share.
    """
    sums = {line.line: (0, 0) for line in lines}
    for part in parts:
        units, minor = sums[part.line]
        sums[part.line] = units + part.quantity, minor + part.amount_minor
    return tuple(
        Asked(line.product_id, units, None if minor == share(line, units) else minor, line.line)
        for line in lines
        for units, minor in [sums[line.line]]
        if units or minor
    )


def share(line: Line, quantity: int) -> int:
    """Return what so many units of the line are worth together, rounded down; all units are worth all of it."""
    return line.net_minor * quantity // line.quantity


@dataclass(slots=True)
class _Demand:
    """What refunds asked for: units, how many of them without an amount, and the amounts."""

    units: int = 0
    sharing: int = 0
    minor: int = 0

    def add(self, asked: Asked) -> None:
        self.units += asked.quantity
        if asked.amount_minor is None:
            self.sharing += asked.quantity
        else:
            self.minor += asked.amount_minor


class _Product:
    """The lines of one product, and what was asked for of each line, or of any of them."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self._of_line = {line.line: _Demand() for line in lines}
        self._of_any = _Demand()

    def add(self, asked: Asked) -> None:
        (self._of_any if asked.line is None else self._of_line[asked.line]).add(asked)

    def sums(self) -> dict[int, tuple[int, int]]:
        """Units and money that went back of each line in all.

        What was asked for of a line is taken from it; what was asked for of any line fills the room that is left, in
        the order of the lines. Money that finds no room is not given.
        """
        lines, demands = self._lines, self._of_line.values()
        units = _fill([d.units for d in demands], [line.quantity for line in lines], self._of_any.units)
        sharing = _fill([d.sharing for d in demands], [line.quantity for line in lines], self._of_any.sharing)
        minor = [
            min(line.net_minor, demand.minor + share(line, shared))
            for line, demand, shared in zip(lines, demands, sharing, strict=True)
        ]
        minor = _fill(minor, [line.net_minor for line in lines], self._of_any.minor)
        return {line.line: each for line, each in zip(lines, zip(units, minor, strict=True), strict=True)}

    def left(self, number: int | None) -> dict[int, tuple[int, int]]:
        """Units and money that are left of the line, or of each line."""
        sums = self.sums()
        return {
            line.line: (line.quantity - sums[line.line][0], line.net_minor - sums[line.line][1])
            for line in self._lines
            if number in (None, line.line)
        }


def _fill(taken: Sequence[int], rooms: Sequence[int], more: int) -> list[int]:
    """Return what is taken of each room after `more` was put where there is room, the first room first."""

    def filled() -> Iterator[int]:
        rest = more
        for before, room in zip(taken, rooms, strict=True):
            put = min(rest, room - before)
            rest -= put
            yield before + put

    return list(filled())


def _minor(asked: RefundLine, currency: str, index: int) -> int | None:
    if asked.amount is None:
        return None
    try:
        return to_minor(asked.amount, currency)
    except MoneyError as error:
        raise RefundError("amount_precision", f"lines.{index}.amount: {error}.") from error


def _check(left: dict[int, tuple[int, int]], asked: Asked, currency: str, index: int) -> None:
    where, product, money = f"lines.{index}", f"product {asked.product_id}", asked.amount_minor
    if not left:
        place = "the order" if asked.line is None else f"line {asked.line} of the order"
        raise RefundError("not_ordered", f"{where}: {product} is not on {place}.")
    if not asked.quantity and not money:
        raise RefundError("nothing_to_refund", f"{where}: say how many units or how much money of {product} goes back.")
    quantity, minor = (sum(each) for each in zip(*left.values(), strict=True))
    if asked.quantity > quantity or (money or 0) > minor:
        wanted = f"{asked.quantity} units" + ("" if money is None else f" and {to_amount(money, currency)}")
        rest = f"{quantity} units and {to_amount(minor, currency)}"
        raise RefundError("more_than_left", f"{where}: {wanted} of {product} asked for, {rest} are left.")
