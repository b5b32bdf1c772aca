"""A worker that dies after any effect leaves nothing that its next life does not put right.

These are some of the points, the same each time; `python -m tests.faults.crash_points` tries them all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.faults.crash_ending import differences
from tests.faults.crash_lab import MODES, ONE, Lab, lab
from tests.faults.crash_points import reference, walk
from tests.faults.crash_servers import endpoints
from tests.faults.scenarios import SCENARIOS

EVERY = 60


@pytest.fixture(scope="module")
async def crash_lab(pytestconfig: pytest.Config) -> AsyncIterator[Lab]:
    async with lab(endpoints(pytestconfig)) as opened:
        yield opened


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SCENARIOS)
async def test_nobody_can_tell_that_the_worker_died(crash_lab: Lab, name: str, mode: str) -> None:
    walked = await walk(crash_lab, name, MODES[mode], every=EVERY)

    assert walked.points > 0
    assert walked.failed == []


async def test_a_transaction_that_a_dead_worker_left_open_is_waited_for(crash_lab: Lab) -> None:
    """Its locks outlive the process; what needs the same documents comes through when the server gives up on it."""
    expected, _ = await reference(crash_lab, "commission_calculation", ONE)

    run = await crash_lab.run("commission_calculation", ONE, dies_after="before the commit", aborts_orphans=False)

    assert run.died_after == "before the commit"
    assert differences(expected, run.ending) == []
