"""An answer becomes an event, and the newest attempt of a notification is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.notifications.deliveries import NotificationDelivery
from contracts.notifications.v1 import NotificationDelivered, NotificationFailed
from contracts.wire.answer import Answer, Outcome
from contracts.wire.decision import Decision
from infra.auditing.audit import Report
from infra.auditing.calls import OPEN_MAX
from infra.ports.store import ATTEMPTS, JOURNALS
from infra.runtime import roster
from infra.runtime.collections import collections_of
from infra.settings import Settings
from tests.builders import NOW, message
from tests.receiver import due
from tests.workflow.in_memory import InMemoryStore
from workers.notification_delivery.audit import audit
from workers.notification_delivery.decide import key_of, record, route_of
from workers.notification_delivery.model import State

DONE = Answer("done", "accepted", "The receiver has it.", NOW, reference="r-1")
REFUSED = Answer("refused", "gone", "The address is gone; correct the route.", NOW, retry_after_s=60)
FIRST = due(attempt=1)
FIRST_FAILED = NotificationDelivery("notification-1", "warehouse", 1, "refused", "gone", REFUSED.detail, NOW)


def state_with(delivery: NotificationDelivery) -> State:
    return State().with_delivery(delivery)


def failed(answer: Answer, attempt: int) -> NotificationFailed:
    return NotificationFailed.model_validate(
        {
            "notification_id": "notification-1",
            "route_id": "warehouse",
            "attempt": attempt,
            "outcome": answer.outcome,
            "code": answer.code,
            "detail": answer.detail,
            "retry_after_s": answer.retry_after_s,
            "failed_at": NOW,
        }
    )


def test_what_the_channel_confirms_is_delivered() -> None:
    delivered = NotificationDelivered(
        notification_id="notification-1",
        route_id="warehouse",
        attempt=1,
        code="accepted",
        reference="r-1",
        delivered_at=NOW,
        detail=DONE.detail,
    )
    kept = NotificationDelivery("notification-1", "warehouse", 1, "done", "accepted", DONE.detail, NOW, "r-1")

    assert record(State(), message(FIRST), DONE) == Decision(state_with(kept), (delivered,), "done")


@pytest.mark.parametrize("outcome", ["refused", "unavailable", "unknown"])
def test_any_other_answer_is_a_failure_with_its_outcome(outcome: Outcome) -> None:
    answer = replace(REFUSED, outcome=outcome)
    kept = replace(FIRST_FAILED, outcome=outcome)

    assert record(State(), message(FIRST), answer) == Decision(state_with(kept), (failed(answer, 1),), outcome)


def test_a_later_attempt_replaces_the_one_before() -> None:
    unknown = Answer("unknown", "deadline", "No answer.", NOW + timedelta(minutes=1))

    decided = record(state_with(FIRST_FAILED), message(due(attempt=2)), unknown)

    [kept] = decided.state.deliveries.values()
    assert (kept.attempts, kept.outcome, kept.code, kept.answered_at) == (2, "unknown", "deadline", unknown.at)


def test_a_late_failure_of_an_older_attempt_is_reported_and_not_kept() -> None:
    state = state_with(replace(FIRST_FAILED, attempts=2))

    assert record(state, message(FIRST), REFUSED) == Decision(state, (failed(REFUSED, 1),), "refused")


def test_a_late_confirmation_of_an_older_attempt_is_kept() -> None:
    decided = record(state_with(replace(FIRST_FAILED, attempts=2)), message(FIRST), DONE)

    [kept] = decided.state.deliveries.values()
    assert (kept.attempts, kept.outcome) == (2, "done")


def test_what_was_delivered_stays_delivered() -> None:
    state = state_with(replace(FIRST_FAILED, outcome="done"))

    assert record(state, message(due(attempt=2)), REFUSED) == Decision(state, (failed(REFUSED, 2),), "refused")


def test_all_attempts_of_a_notification_have_one_key() -> None:
    assert key_of(due(attempt=1)) == key_of(due(attempt=2)) != key_of(due("notification-2"))


def test_the_calls_of_a_route_share_its_lanes() -> None:
    assert route_of(due()) == "warehouse"


class TestAudit:
    async def breaches(self, *, age: timedelta, state: str | None = "calling", dead: bool = False) -> list[str]:
        store = InMemoryStore(collections_of(roster.load("notification_delivery"), Settings()))
        row = {"_id": "m-1", "key": "notification-1", "began_at": NOW - age, "by": "life/1"}
        store.table(f"{ATTEMPTS}notification_delivery").put(row | ({"state": state} if state else {}))
        if dead:
            letter = {"_id": 1, "dead": [{"id": "m-1", "reason": "handler_error"}]}
            store.table(f"{JOURNALS}notification_delivery").put(letter)
        report = Report(NOW)
        await audit(store, report)
        assert report.figures["I9"]["calls_under_way"] == (1 if state else 0)
        return [breach.about for breach in report.breaches]

    async def test_a_call_without_an_answer_is_found_after_half_an_hour(self) -> None:
        assert await self.breaches(age=OPEN_MAX + timedelta(seconds=1)) == ["attempt/m-1"]
        assert await self.breaches(age=OPEN_MAX) == []

    async def test_one_with_an_answer_is_not(self) -> None:
        assert await self.breaches(age=timedelta(days=1), state=None) == []

    async def test_one_whose_message_was_dead_lettered_is_not(self) -> None:
        assert await self.breaches(age=timedelta(days=1), dead=True) == []
