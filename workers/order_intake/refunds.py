"""What a refund takes from which line of an order: the meaning of `order.refund`, so that shops can predict it.

The result depends on what all refunds together requested, never on their sequence. Amounts in minor units.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from contracts.money import MoneyError, to_amount, to_minor
from contracts.orders.v1 import RefundLine, RefundOrder
from contracts.orders.view import GivenBack, Line


@dataclass(frozen=True, slots=True)
class Requested:
    """What one line of a refund requested. Without an amount, the units' share of the net; without a line, any line of
    the product.
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


def requested_lines(command: RefundOrder, currency: str) -> tuple[Requested, ...]:
    """Return the lines of the refund in minor units. Raises RefundError with `amount_precision`."""
    return tuple(
        Requested(line.product_id, line.quantity, _minor(line, currency, index), line.line)
        for index, line in enumerate(command.lines)
    )


def give_back(
    lines: Sequence[Line], before: Iterable[Requested], requested: Sequence[Requested], currency: str
) -> tuple[GivenBack, ...]:
    """Return what each affected line gives back, in the order of the lines. `before` is what earlier refunds requested.

    Units without an amount give the share of the net that all such units of the line have, less what they gave before;
    at most what is left of the line. A product on several lines is taken from them in order. Raises RefundError with
    `not_ordered`, `nothing_to_refund` or `more_than_left`.
    """
    of_product: defaultdict[int, list[Line]] = defaultdict(list)
    for line in lines:
        of_product[line.product_id].append(line)
    products = {product_id: _Product(those) for product_id, those in of_product.items()}
    for earlier in before:
        products[earlier.product_id].add(earlier)
    for index, each in enumerate(requested):
        product = products.get(each.product_id)
        _check(product.left(each.line) if product else {}, each, currency, index)
        products[each.product_id].add(each)
    sums = {number: after for product in products.values() for number, after in product.sums().items()}
    parts = (
        GivenBack(line.line, sums[line.line][0] - line.refunded_quantity, sums[line.line][1] - line.refunded_minor)
        for line in lines
    )
    return tuple(part for part in parts if part.quantity or part.amount_minor)


def as_requested(lines: Sequence[Line], parts: Iterable[GivenBack]) -> tuple[Requested, ...]:
    """Return the requests of refunds that only stored their outcome: for each line its units and money in total.

    If the money is exactly the units' share, it counts as their share.
    """
    sums = {line.line: (0, 0) for line in lines}
    for part in parts:
        units, minor = sums[part.line]
        sums[part.line] = units + part.quantity, minor + part.amount_minor
    return tuple(
        Requested(line.product_id, units, None if minor == share(line, units) else minor, line.line)
        for line in lines
        for units, minor in [sums[line.line]]
        if units or minor
    )


def share(line: Line, quantity: int) -> int:
    """Return what `quantity` units of the line are worth, rounded down; all units are worth the whole net."""
    return line.net_minor * quantity // line.quantity


@dataclass(slots=True)
class _Demand:
    """What refunds requested: units, how many of them without an amount, and the amounts."""

    units: int = 0
    sharing: int = 0
    minor: int = 0

    def add(self, requested: Requested) -> None:
        self.units += requested.quantity
        if requested.amount_minor is None:
            self.sharing += requested.quantity
        else:
            self.minor += requested.amount_minor


class _Product:
    """The lines of one product, and what was requested of each line, or of any line."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self._of_line = {line.line: _Demand() for line in lines}
        self._of_any = _Demand()

    def add(self, requested: Requested) -> None:
        (self._of_any if requested.line is None else self._of_line[requested.line]).add(requested)

    def sums(self) -> dict[int, tuple[int, int]]:
        """Units and money refunded of each line in total.

        Requests for a line are taken from it; requests for any line fill the room that is left, in the order of the
        lines. Money beyond that is not given.
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
    """Return what is taken of each room after `more` was distributed, the first room first."""

    def filled() -> Iterator[int]:
        rest = more
        for before, room in zip(taken, rooms, strict=True):
            put = min(rest, room - before)
            rest -= put
            yield before + put

    return list(filled())


def _minor(line: RefundLine, currency: str, index: int) -> int | None:
    if line.amount is None:
        return None
    try:
        return to_minor(line.amount, currency)
    except MoneyError as error:
        raise RefundError("amount_precision", f"lines.{index}.amount: {error}.") from error


def _check(left: dict[int, tuple[int, int]], requested: Requested, currency: str, index: int) -> None:
    where, product, money = f"lines.{index}", f"product {requested.product_id}", requested.amount_minor
    if not left:
        place = "the order" if requested.line is None else f"line {requested.line} of the order"
        raise RefundError("not_ordered", f"{where}: {product} is not on {place}.")
    if not requested.quantity and not money:
        raise RefundError("nothing_to_refund", f"{where}: give the units or the money of {product} to refund.")
    quantity, minor = (sum(each) for each in zip(*left.values(), strict=True))
    if requested.quantity > quantity or (money or 0) > minor:
        claim = f"{requested.quantity} units" + ("" if money is None else f" and {to_amount(money, currency)}")
        rest = f"{quantity} units and {to_amount(minor, currency)}"
        raise RefundError("more_than_left", f"{where}: {claim} of {product} requested, {rest} are left.")
