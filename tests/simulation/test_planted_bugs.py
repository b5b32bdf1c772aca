"""Each planted bug is found: a simulation that finds no bug must be able to find one."""

from __future__ import annotations

import pytest

from tests.simulation.planted import BUGS
from tests.simulation.run import Variant, simulate
from tests.simulation.test_simulation import SEEDS as SEEDS_SWEPT

SEEDS = (*range(1, 11), 12, 15, 18, 19, 21, 46, 52, 56, 67, 107)
"""Every bug shows in at least one of these seeds; without bugs all pass."""


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught(name: str) -> None:
    caught = next((seed for seed in SEEDS if BUGS[name].run(seed).breaches), None)
    assert caught is not None, f"a runtime that {name} passed all of {SEEDS}"
    if (plan := BUGS[name].variant.plan) is not None:
        assert simulate(caught, Variant(plan=plan)).breaches == (), "the sweep has no such faults"


def test_the_sweep_without_bugs_includes_the_same_seeds() -> None:
    assert set(SEEDS) <= set(SEEDS_SWEPT)
