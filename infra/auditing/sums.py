"""Several sums for each of many keys, in little memory: some two hundred bytes per key, however large its sums."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterator, Sequence
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Sums(Generic[K]):
    """`names` are the sums of each key; each begins at 0, and fits into 64 bits."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._places: dict[K, int] = {}
        self._sums = {name: array("q") for name in names}

    def __len__(self) -> int:
        return len(self._places)

    def add(self, name: str, key: K, amount: int) -> None:
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self._places)
            for sums in self._sums.values():
                sums.append(0)
        self._sums[name][place] += amount

    def items(self) -> Iterator[tuple[K, dict[str, int]]]:
        """Yield every key with its sums by name, in order of first addition."""
        for key, place in self._places.items():
            yield key, {name: self._sums[name][place] for name in self._names}
