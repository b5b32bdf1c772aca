"""Checks whether the readings of a growing sum are possible, whatever the order of its readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

_SLOT = timedelta(hours=3)
"""An addition may be counted this much after its time: the pauses between a message's tries add up to eleven minutes,
and the clocks of two machines may each be wrong by an hour."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_64_BITS = (1 << 64) - 1


class RunningSum:
    """Additions to a sum and readings of it, in slots of some hours, so that its size is bounded.

    Some orders only add. Others read first, and no two of these add to the same sum at the same time. So if all orders
    read first, each but the first must have read the result of an earlier one.
    """

    __slots__ = ("_added", "_lowest", "_path", "_reached", "_read_and_added", "total")

    def __init__(self) -> None:
        self.total = 0
        self._added: Counter[int] = Counter()
        self._lowest: dict[int, int] = {}
        self._read_and_added = 0
        self._reached = 0
        self._path = 0

    def add(self, amount: int, at: datetime | None) -> None:
        """Record an addition; `at` is None if its time is unknown."""
        self.total += amount
        if at is not None:
            self._added[_slot(at)] += amount

    def read(self, before: int, at: datetime, amount: int = 0) -> None:
        """Record an order that read `before`, and added an amount to it."""
        slot = _slot(at)
        self._lowest[slot] = min(before, self._lowest.get(slot, before))
        self._reached = max(self._reached, before + amount)
        self._read_and_added += amount
        self._path += _condensed(before) - _condensed(before + amount)
        self.add(amount, at)

    def faults(self) -> Iterator[str]:
        """Yield a sentence for each way in which the readings contradict the additions."""
        if self._reached > self.total:
            yield f"orders brought it to {self._reached}, but the sum of all is {self.total}"
        if self._reached < self._read_and_added:
            yield f"orders brought it to at most {self._reached}, but they added {self._read_and_added}"
        elif self._read_and_added == self.total and self._path != _condensed(0) - _condensed(self.total):
            yield f"no sequence of the orders explains what each of them read on the way to {self.total}"
        yield from self._too_low()

    def _too_low(self) -> Iterator[str]:
        """Readings below what had been added some time before."""
        least = 0
        slots = sorted(self._added)
        for slot, lowest in sorted(self._lowest.items()):
            while slots and slots[0] < slot - 1:
                least += self._added[slots.pop(0)]
            if lowest < least:
                moment = _EPOCH + slot * _SLOT
                yield f"an order at {moment:%Y-%m-%d %H:%M} or soon after read {lowest}, but it was at least {least}"


def _slot(at: datetime) -> int:
    return (at - _EPOCH) // _SLOT


def _condensed(figure: int) -> int:
    """A hash whose sums are compared: two lists of figures with the same sum of hashes have the same figures.

    It must not be linear, otherwise equal steps between different figures would cancel out. This is splitmix64.
    """
    mixed = (figure + 0x9E3779B97F4A7C15) & _64_BITS
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _64_BITS
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _64_BITS
    return mixed ^ (mixed >> 31)
