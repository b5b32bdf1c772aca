"""Notifications and events for receivers that confirm, refuse, never answer, or cannot be asked."""

from __future__ import annotations

from tests.faults.crash_outside import OUTCOMES, ROBOT
from tests.faults.crash_scenario import Scenario, noise, outgoing
from tests.receiver import due
from tests.webhook_builders import webhook_due


def notification_delivery() -> Scenario:
    """The second attempts follow answers that may mean anything; the last phase repeats what was done."""
    first = due("to-warehouse")
    firsts = [first, *(due(f"to-{route}", route_id=route) for route in (ROBOT, *OUTCOMES))]
    seconds = [due(f"to-{route}", route_id=route, attempt=2) for route in OUTCOMES]
    return Scenario(
        "notification_delivery",
        (
            (*map(outgoing, firsts), outgoing(first), noise(first.message_type)),
            tuple(map(outgoing, seconds)),
            (outgoing(first, again=1),),
        ),
        frozenset(["done", "refused", "unknown"]),
        {},
        dead=1,
    )


def webhook_delivery() -> Scenario:
    """The same for events that are sent to webhooks of shops."""
    first = webhook_due()
    firsts = [first, *(webhook_due(f"event-{hook}", hook) for hook in (ROBOT, *OUTCOMES))]
    seconds = [webhook_due(f"event-{hook}", hook, attempt=2) for hook in OUTCOMES]
    return Scenario(
        "notification_delivery",
        (
            (*map(outgoing, firsts), outgoing(first), noise(first.message_type)),
            tuple(map(outgoing, seconds)),
            (outgoing(first, again=1),),
        ),
        frozenset(["done", "refused", "unknown"]),
        {},
        dead=1,
    )
