"""Attempts at rails that confirm, refuse, never answer, or cannot be asked, and the questions what became of them."""

from __future__ import annotations

from tests.faults.crash_outside import OUTCOMES, ROBOT
from tests.faults.crash_scenario import Scenario, noise, outgoing
from tests.payout_story import a_check_due, an_attempt_due


def payout_delivery() -> Scenario:
    """The second calls of an attempt follow answers that may mean anything; the last phase repeats what was done."""
    first = an_attempt_due("bank")
    firsts = [first, *(an_attempt_due(place) for place in (ROBOT, *OUTCOMES))]
    check = a_check_due(first)
    return Scenario(
        "payout_delivery",
        (
            (*map(outgoing, firsts), outgoing(first), noise(first.message_type)),
            (*(outgoing(an_attempt_due(place), again=1) for place in OUTCOMES), outgoing(check), outgoing(check)),
            (outgoing(first, again=1), outgoing(a_check_due(an_attempt_due("silent")))),
        ),
        frozenset(["accepted", "failed", "unknown"]),
        {},
        dead=1,
    )
