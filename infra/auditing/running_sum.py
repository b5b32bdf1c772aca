"""A sum that grows while it is read: whether what its readers saw can have been there, in whatever order they came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

_SLOT = timedelta(hours=3)
"""An addition may be counted this much after its time: the pauses between a message's tries come to eleven minutes, and
the clocks of two machines may be an hour wrong each."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_64_BITS = (1 << 64) - 1


class RunningSum:
    """What was added to a sum and when, and what was read of it, in slots of some hours; so its size is bounded.

    Some only add. Others read first, and no two of those add to the same sum at the same time; so where nobody else
    adds, each of them but the first must have read what one before left behind.
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
        """Somebody added an amount; None where it is not known when."""
        self.total += amount
        if at is not None:
            self._added[_slot(at)] += amount

    def read(self, before: int, at: datetime, amount: int = 0) -> None:
        """Somebody read `before`, and added an amount to it."""
        slot = _slot(at)
        self._lowest[slot] = min(before, self._lowest.get(slot, before))
        self._reached = max(self._reached, before + amount)
        self._read_and_added += amount
        self._path += _condensed(before) - _condensed(before + amount)
        self.add(amount, at)

    def faults(self) -> Iterator[str]:
        """Yield a sentence for each way in which the readings contradict the additions."""
        if self._reached > self.total:
            yield f"orders brought it to {self._reached}, but all of them together to {self.total}"
        if self._reached < self._read_and_added:
            yield f"orders brought it to {self._reached} at most, but they added {self._read_and_added}"
        elif self._read_and_added == self.total and self._path != _condensed(0) - _condensed(self.total):
            yield f"no sequence of the orders explains what each of them read on the way to {self.total}"
        yield from self._too_low()

    def _too_low(self) -> Iterator[str]:
        """Who read less than had been there for a while."""
        there = 0
        slots = sorted(self._added)
        for slot, lowest in sorted(self._lowest.items()):
            while slots and slots[0] < slot - 1:
                there += self._added[slots.pop(0)]
            if lowest < there:
                moment = _EPOCH + slot * _SLOT
                yield f"an order at {moment:%Y-%m-%d %H:%M} or soon after read {lowest}, but it was {there} at least"


def _slot(at: datetime) -> int:
    return (at - _EPOCH) // _SLOT


def _condensed(figure: int) -> int:
    """A number that sums of figures are compared by: two lists with the same sum of these are the same list.

    It must be far from linear, or else equal steps between different figures would cancel out. This is splitmix64.
    """
    mixed = (figure + 0x9E3779B97F4A7C15) & _64_BITS
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _64_BITS
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _64_BITS
    return mixed ^ (mixed >> 31)
