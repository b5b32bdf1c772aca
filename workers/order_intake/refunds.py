"""What a refund takes from which line of an order: the meaning of `order.refund`, so that shops can predict it.

The result depends on what all refunds together requested, never on their sequence. Amounts in minor units.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from contracts.money import MoneyError, to_amount, to_minor
from contracts.orders.v1 import RefundLine, RefundOrder
from contracts.orders.view import GivenBack, Line

REFUNDS_MAX = 200
"""Refunds of one order; its document keeps all of them."""

REFUND_LINES_MAX = 5_000
"""Lines of all refunds of one order: every line of the largest order ten times."""

REFUNDS_TIMES_LINES_MAX = 10_000
"""Refunds of one order times its lines: each refund's event and reversal list all of them."""


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
        _check(product.left(each.line) if product else None, each, currency, index)
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


class _Product:
    """The lines of one product, and what was refunded of each. Adding a request costs the same for any number of lines.

    Requests for a line are taken from it; requests for any line fill the room that is left, in the order of the lines.
    Money beyond that is not given.
    """

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self._at = {line.line: at for at, line in enumerate(lines)}
        self._units = _Rooms([line.quantity for line in lines])
        self._sharing = _Rooms([line.quantity for line in lines])
        """Units without an amount."""
        self._minor = _Rooms([line.net_minor for line in lines])
        self._given = [0] * len(lines)
        """The amounts requested of each line."""
        self._taken = [0] * len(lines)
        """These, and the share of the units without an amount."""

    def add(self, requested: Requested) -> None:
        amount, at = requested.amount_minor, None if requested.line is None else self._at[requested.line]
        self._units.take(at, requested.quantity)
        changed = self._sharing.take(at, requested.quantity) if amount is None else []
        if at is not None and amount is not None:
            self._given[at] += amount
            changed = [at]
        for each in changed:
            line = self._lines[each]
            taken = min(line.net_minor, self._given[each] + share(line, self._sharing.filled[each]))
            self._minor.take(each, taken - self._taken[each])
            self._taken[each] = taken
        if at is None and amount is not None:
            self._minor.take(None, amount)

    def sums(self) -> dict[int, tuple[int, int]]:
        """Units and money refunded of each line in total."""
        return {number: (self._units.filled[at], self._minor.filled[at]) for number, at in self._at.items()}

    def left(self, number: int | None) -> tuple[int, int] | None:
        """Units and money that are left of the line, or of all lines; None if there is no such line."""
        if number is None:
            return self._units.left, self._minor.left
        at = self._at.get(number)
        return None if at is None else (self._units.left_in(at), self._minor.left_in(at))


class _Rooms:
    """Rooms in a row. What is taken of one room stays there; what is taken of any fills them from the first on, and
    gives way to it. Every room fills up once, so that `take` costs the same on average for any number of rooms.
    """

    def __init__(self, rooms: Sequence[int]) -> None:
        self._rooms = rooms
        self._first = 0
        """Every room before this one is full."""
        self.filled = [0] * len(rooms)
        self.left = sum(rooms)

    def left_in(self, at: int) -> int:
        return self._rooms[at] - self.filled[at]

    def take(self, at: int | None, amount: int) -> list[int]:
        """Take from one room, or from any; return the rooms that are fuller than before. What fits nowhere is lost."""
        changed = []
        if at is not None:
            put = self._put(at, amount)
            amount -= put
            changed = [at] if put else []
        while amount and self._first < len(self._rooms):
            put = self._put(self._first, amount)
            amount -= put
            if put:
                changed.append(self._first)
            if amount:
                self._first += 1
        return changed

    def _put(self, at: int, amount: int) -> int:
        put = min(amount, self.left_in(at))
        self.filled[at] += put
        self.left -= put
        return put


def _minor(line: RefundLine, currency: str, index: int) -> int | None:
    if line.amount is None:
        return None
    try:
        return to_minor(line.amount, currency)
    except MoneyError as error:
        raise RefundError("amount_precision", f"lines.{index}.amount: {error}.") from error


def _check(left: tuple[int, int] | None, requested: Requested, currency: str, index: int) -> None:
    where, product, money = f"lines.{index}", f"product {requested.product_id}", requested.amount_minor
    if left is None:
        place = "the order" if requested.line is None else f"line {requested.line} of the order"
        raise RefundError("not_ordered", f"{where}: {product} is not on {place}.")
    if not requested.quantity and not money:
        raise RefundError("nothing_to_refund", f"{where}: give the units or the money of {product} to refund.")
    quantity, minor = left
    if requested.quantity > quantity or (money or 0) > minor:
        claim = f"{requested.quantity} units" + ("" if money is None else f" and {to_amount(money, currency)}")
        rest = f"{quantity} units and {to_amount(minor, currency)}"
        raise RefundError("more_than_left", f"{where}: {claim} of {product} requested, {rest} are left.")
