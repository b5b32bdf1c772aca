"""Each planted bug is found: a simulation that finds no bug must be able to find one."""

from __future__ import annotations

import pytest

from tests.simulation.planted import BUGS
from tests.simulation.run import Variant, simulate
from tests.simulation.test_simulation import SEEDS as SEEDS_SWEPT

SEEDS = (*range(1, 11), 12, 13, 15, 18, 19, 21, 24, 35, 46, 52, 56, 67, 107, 236)
"""Every bug shows in at least one of these seeds; without bugs all pass."""

SHOWN_BY = {
    "makes rewards available before their sales are released": 12,
    "books rewards twice": 7,
    "publishes before the commit": 3,
    "does not publish again from the journal": 5,
    "loses its connection over what it cannot decode": 46,
    "takes a redelivered bare body for a new command": 10,
    "takes a redelivered bare body for one handled long before": 6,
    "names events at random": 5,
    "cancels paid orders of short products": 46,
    "does not report shortages": 46,
    "does not answer a repeat": 35,
    "marks what it has not read as sent": 4,
    "gives each attempt another id": 3,
    "never tries a notification again": 3,
    "sends without a look-up": 2,
    "books late movements in closed periods": 5,
    "withholds tax of each statement alone": 18,
}
"""The first seed that shows a bug, where that is not one of the first two: it is tried first."""


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught(name: str) -> None:
    caught = next((seed for seed in (SHOWN_BY.get(name, 1), *SEEDS) if BUGS[name].run(seed).breaches), None)
    assert caught is not None, f"a runtime that {name} passed all of {SEEDS}"
    if (plan := BUGS[name].variant.plan) is not None:
        assert simulate(caught, Variant(plan=plan)).breaches == (), "the sweep has no such faults"


def test_the_sweep_without_bugs_includes_the_same_seeds() -> None:
    assert set(SEEDS) <= set(SEEDS_SWEPT)
