"""Payouts against a bank with books of its own: nothing is paid twice, nothing is lost, and planted bugs are found."""

from __future__ import annotations

import pytest

from tests.sampling import sampled
from tests.simulation.payouts import simulate
from tests.simulation.planted_payouts import BUGS

SEEDS = sampled(range(1, 9), whole=range(1, 101))

SHOWN_BY = {
    "makes a new key for each try": 15,
    "ignores that something failed after it was paid": 5,
    "applies reports twice": 1,
    "takes an unknown outcome for a failure": 5,
    "sends to distributors on hold": 4,
    "does not compare amounts": 26,
    "believes that a key is absent before its call was answered": 31,
    "sends without a look-up": 8,
}
"""A seed that shows each bug."""


@pytest.mark.parametrize("seed", SEEDS)
def test_the_books_of_the_bank_are_ours(seed: int) -> None:
    assert simulate(seed).breaches == ()


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught(name: str) -> None:
    assert BUGS[name].run(SHOWN_BY[name]).breaches


def test_a_seed_is_one_history() -> None:
    assert simulate(1).history.digest() == simulate(1).history.digest()
