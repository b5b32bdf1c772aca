"""Runs many seeds over several processes, and returns their results in order."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.simulation.run import simulate

_CHUNK = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one seed, small enough to pass between processes."""

    seed: int
    breaches: tuple[str, ...]
    replay: str
    steps: int
    faults: int
    orders: int


def outcome_of(seed: int) -> Outcome:
    try:
        result = simulate(seed)
    except Exception as error:
        # A defect of the simulation itself must name its seed too.
        replay = f"python -m tests.simulation --seed {seed}"
        return Outcome(seed, (f"the simulation broke: {error!r}",), replay, 0, 0, 0)
    return Outcome(seed, result.breaches, result.replay, result.steps, result.faults, result.orders)


def _freeze_imports() -> None:
    """Exclude imported modules from garbage collection; it would cost a twentieth of the time."""
    gc.collect()
    gc.freeze()


def sweep(seeds: Iterable[int], *, processes: int) -> Iterator[Outcome]:
    """Run the seeds; every process imports the system itself, so that it inherits nothing."""
    if processes == 1:
        yield from map(outcome_of, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(processes, initializer=_freeze_imports) as pool:
        yield from pool.imap(outcome_of, seeds, chunksize=_CHUNK)
