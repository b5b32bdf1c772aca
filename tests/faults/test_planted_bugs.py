"""Crash points detect bugs: with a planted bug, the run must end differently.

Without the bug, the same point of the same run ends as it should, so the difference is the bug's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from tests.faults.crash_ending import differences
from tests.faults.crash_lab import ONE, RUN_MAX_S, Lab, NeverQuiet
from tests.faults.crash_points import reference
from tests.faults.planted import BUGS
from tests.sampling import sampled


@dataclass(frozen=True, slots=True)
class Catch:
    """Where a bug is detected, and a part of the sentence about it, as a regular expression."""

    scenario: str
    dies_after: str
    symptom: str
    within_s: float = RUN_MAX_S


CATCHES = {
    "acknowledge-first": Catch("lives_of_orders", "before the commit", "lost"),
    "publish-first": Catch("stock_reservation", "before the commit", "in no journal record"),
    # The journal's unique index refuses the repeat, and the worker retries that conflict for ever.
    "forget-the-journal": Catch("stock_reservation", "after the commit", "not at rest", within_s=5),
    "never-replay": Catch("stock_reservation", "after the commit", r"is missing: stock\.received\.v1"),
    "invent-posting-ids": Catch("commission_calculation", "after the commit", r"commission_calculation\.ledger"),
    "write-outside-transactions": Catch(
        "stock_reservation", "inserted stock_reservation.items", r"stock_reservation\.items"
    ),
    "leave-decoding-to-the-library": Catch("taking_orders", "before the commit", "not at rest", within_s=5),
    # How often depends on the repeats of the scenario too; one that never arrived would be missing.
    "send-without-looking": Catch(
        "notification_delivery", "received", r"outside: warehouse to-warehouse is \d+, and 1 without the crash"
    ),
}


async def symptoms_of(crash_lab: Lab, catch: Catch, bug: str | None) -> str:
    expected, _ = await reference(crash_lab, catch.scenario, ONE)
    within_s = catch.within_s if bug else RUN_MAX_S
    try:
        run = await crash_lab.run(catch.scenario, ONE, dies_after=catch.dies_after, bug=bug, within_s=within_s)
    except NeverQuiet as never:
        return str(never)
    early = [f"published, but in no journal record: {event}" for event in run.unrecorded]
    return "\n".join([*early, *differences(expected, run.ending)])


def test_every_bug_has_a_point_that_catches_it() -> None:
    assert CATCHES.keys() == BUGS.keys()


@pytest.mark.parametrize("bug", sampled([*CATCHES][1::2], whole=[*CATCHES]))
async def test_a_planted_bug_is_detected(crash_lab: Lab, bug: str) -> None:
    catch = CATCHES[bug]

    assert re.search(catch.symptom, await symptoms_of(crash_lab, catch, bug))
    assert await symptoms_of(crash_lab, catch, None) == ""
