"""Each of these bugs would be noticed: a simulation that finds nothing must be able to find something."""

from __future__ import annotations

import pytest

from tests.simulation.planted import BUGS
from tests.simulation.test_simulation import SEEDS as SEEDS_SWEPT

SEEDS = (*range(1, 11), 52, 107)
"""In which every bug shows itself, and without bugs nothing does."""


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught(name: str) -> None:
    caught = next((seed for seed in SEEDS if BUGS[name].run(seed).breaches), None)
    assert caught is not None, f"a runtime that {name} went through all of {SEEDS}"


def test_without_a_bug_the_same_seeds_are_shown_to_be_fine() -> None:
    assert set(SEEDS) <= set(SEEDS_SWEPT)
