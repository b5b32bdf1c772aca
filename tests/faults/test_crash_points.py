"""A worker may die after any effect: after a restart the result is that of a run without a crash.

These tests try some of the points, the same each time; `python -m tests.faults.crash_points` tries all.
"""

from __future__ import annotations

from itertools import cycle

import pytest

from tests.faults.crash_ending import differences
from tests.faults.crash_lab import MODES, ONE, Lab
from tests.faults.crash_points import reference, walk
from tests.faults.scenarios import SCENARIOS
from tests.sampling import sampled

EVERY = sampled(300, whole=60)
_ALL = [(name, mode) for name in SCENARIOS for mode in MODES]
_IN_TURN = list(zip(SCENARIOS, cycle(MODES)))
"""Each scenario in one of the modes."""


@pytest.mark.parametrize(("name", "mode"), sampled(_IN_TURN, whole=_ALL))
async def test_crash_at_any_effect_is_invisible(crash_lab: Lab, name: str, mode: str) -> None:
    walked = await walk(crash_lab, name, MODES[mode], every=EVERY)

    assert walked.points > 0
    assert walked.failed == []


async def test_an_open_transaction_of_a_dead_worker_only_delays_the_next_worker(crash_lab: Lab) -> None:
    """Its locks outlive the process; messages about the same documents succeed when the server aborts it."""
    expected, _ = await reference(crash_lab, "commission_calculation", ONE)

    run = await crash_lab.run("commission_calculation", ONE, dies_after="before the commit", aborts_orphans=False)

    assert run.died_after == "before the commit"
    assert differences(expected, run.ending) == []
