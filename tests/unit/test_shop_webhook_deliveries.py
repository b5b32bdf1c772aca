"""Deliveries to webhooks of shops are tried until they end, and their webhook is paused or disabled while they fail."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.webhooks.v1 import (
    WebhookDisabled,
    WebhookDue,
)
from contracts.webhooks.view import AttemptNote, Webhook, WebhookDelivery
from contracts.wire.decision import Decision
from tests.builders import NOW, SHOP, message, tick
from tests.webhook_builders import (
    HOOK,
    SECRET,
    a_delivery,
    a_webhook,
    copied,
    delivered,
    delivery_id,
    failed,
    full,
    hooks,
    sending,
    webhook_due,
)
from workers.shop_webhooks.deliveries import note_delivered, note_failed, send_waiting, take_copy
from workers.shop_webhooks.model import (
    FAILING_MAX,
    IN_FLIGHT_MAX,
    NOTES_MAX,
    RETRY_DELAYS_S,
    UNANSWERED_AFTER,
    State,
)


def due(event_id: str = "event-1", attempt: int = 1, secrets: tuple[str, ...] = (SECRET,)) -> WebhookDue:
    return webhook_due(event_id, attempt=attempt, secrets=secrets)


class TestAnswers:
    def test_an_answer_delivers_it_and_makes_room_for_the_next(self) -> None:
        state = hooks(full(), deliveries=[sending(), a_delivery("event-2")])

        decision = note_delivered(state, message(delivered()))

        note = AttemptNote(1, NOW, "done", "delivered", "answered 204.")
        ended = a_delivery(state="delivered", attempts=1, due_at=None, ended_at=NOW, notes=(note,))
        assert decision == Decision(
            hooks(full(), deliveries=[ended, sending("event-2")]), (due("event-2"),), "delivered"
        )
        assert note_delivered(decision.state, message(delivered())).outcome == "outdated"

    def test_a_late_confirmation_delivers_what_was_to_be_tried_again(self) -> None:
        state = hooks(a_webhook(), deliveries=[a_delivery(attempts=1, due_at=NOW + timedelta(minutes=1))])

        decision = note_delivered(state, message(delivered()))

        assert decision.state.deliveries[delivery_id()].state == "delivered"
        assert decision.state.webhooks[HOOK].in_flight == 0

    def test_the_pauses_grow_to_a_day_and_then_it_has_failed(self) -> None:
        state = hooks(a_webhook(in_flight=1), deliveries=[sending()])
        pauses = []
        for attempt in range(1, len(RETRY_DELAYS_S) + 2):
            state = note_failed(state, message(failed(attempt=attempt))).state
            delivery = state.deliveries[delivery_id()]
            if delivery.due_at is None:
                break
            pauses.append(int((delivery.due_at - NOW).total_seconds()))
            begins = replace(delivery, state="sending", attempts=delivery.attempts + 1)
            state = state.with_delivery(begins)

        assert pauses == [5, 60, 600, 3600, 21_600, 86_400]
        assert (delivery.state, delivery.ended_at, len(delivery.notes)) == ("failed", NOW, 7)
        assert state.webhooks[HOOK].in_flight == 0

    def test_the_receivers_own_pause_counts_if_it_is_longer(self) -> None:
        state = hooks(a_webhook(in_flight=1), deliveries=[sending()])

        for asked, pause in ((2, 5), (90, 90)):
            after = note_failed(state, message(failed(retry_after_s=asked))).state
            assert after.deliveries[delivery_id()].due_at == NOW + timedelta(seconds=pause)

    def test_a_pause_of_its_destination_pauses_the_webhook_and_takes_no_place(self) -> None:
        state = hooks(a_webhook(in_flight=1), deliveries=[sending(), a_delivery("event-2")])
        until = NOW + timedelta(seconds=30)

        decision = note_failed(state, message(failed(code="paused", retry_after_s=30)))

        webhook, after = decision.state.webhooks[HOOK], decision.state.deliveries[delivery_id()]
        assert (after.state, after.due_at, after.attempts_before, after.notes) == ("waiting", until, 1, ())
        assert (webhook.paused_until, webhook.look_at, webhook.failures) == (until, until, 0)
        # Nothing else goes round meanwhile.
        assert decision.publish == take_copy(decision.state, message(copied("event-3"))).publish == ()

    def test_an_attempt_that_was_withheld_is_made_later(self) -> None:
        state = hooks(a_webhook(in_flight=1), deliveries=[sending()])

        after = note_failed(state, message(failed(code="withheld"))).state

        assert after.deliveries[delivery_id()].due_at == NOW + timedelta(seconds=RETRY_DELAYS_S[0])
        assert (after.webhooks[HOOK].failures, after.webhooks[HOOK].paused_until) == (0, None)

    def test_failures_in_a_row_pause_the_webhook_for_longer_each_time(self) -> None:
        webhook, at, pauses = a_webhook(), NOW, []
        for number in range(1, 12):
            event = f"event-{number}"
            state = take_copy(hooks(webhook), message(copied(event), time=at)).state
            answer = failed(event, outcome="refused", code="rejected", failed_at=at)
            webhook = note_failed(state, message(answer, time=at)).state.webhooks[HOOK]
            if webhook.paused_until is not None:
                pauses.append((webhook.paused_until - at).total_seconds())
                assert take_copy(hooks(webhook), message(copied("early"), time=at)).publish == ()
                at = webhook.paused_until

        assert pauses == [30, 60, 120, 240, 300, 300, 300]
        assert (webhook.failures, webhook.failing_since) == (11, NOW)
        probed = take_copy(hooks(webhook), message(copied("probe"), time=at))
        assert len(probed.publish) == 1
        assert take_copy(probed.state, message(copied("second"), time=at)).publish == ()
        well = note_delivered(probed.state, message(delivered("probe"), time=at)).state.webhooks[HOOK]
        assert (well.failures, well.failing_since, well.paused_until) == (0, None, None)

    def test_a_webhook_that_takes_nothing_for_a_day_is_disabled_visibly(self) -> None:
        since = NOW - FAILING_MAX
        state = hooks(a_webhook(in_flight=1, failures=9, failing_since=since), deliveries=[sending()])

        early = note_failed(state, message(failed(failed_at=NOW - timedelta(seconds=1))))
        decision = note_failed(state, message(failed()))

        assert early.outcome == "waiting"
        detail = "hooks.test has taken no event for a day; at last: hooks.test answered 503."
        event = WebhookDisabled(
            webhook_id=HOOK, shop_id=SHOP, host="hooks.test", crossing=1, code="failing", detail=detail
        )
        assert (decision.publish, decision.outcome) == ((event,), "disabled")
        webhook = decision.state.webhooks[HOOK]
        assert (webhook.state, webhook.in_flight, webhook.waiting) == ("disabled", 0, 1)
        assert decision.state.deliveries[delivery_id()].state == "waiting"

    def test_a_receiver_that_is_gone_disables_its_webhook_visibly(self) -> None:
        state = hooks(a_webhook(in_flight=2), deliveries=[sending(), sending("event-2"), a_delivery("event-3")])
        gone: dict[str, Any] = {"outcome": "refused", "code": "gone", "detail": "hooks.test answered 410."}

        decision = note_failed(state, message(failed(**gone)))

        event = WebhookDisabled(
            webhook_id=HOOK, shop_id=SHOP, host="hooks.test", crossing=1, code="gone", detail=gone["detail"]
        )
        assert (decision.publish, decision.outcome) == ((event,), "disabled")
        webhook = decision.state.webhooks[HOOK]
        assert (webhook.state, webhook.in_flight, webhook.code) == ("disabled", 1, "gone")
        assert decision.state.deliveries[delivery_id()].state == "failed"
        assert decision.state.deliveries[delivery_id("event-3")].state == "waiting"
        second = note_failed(decision.state, message(failed("event-2", **gone)))
        assert (second.publish, second.state.webhooks[HOOK].in_flight) == ((), 0)

    def test_only_the_newest_attempts_are_kept(self) -> None:
        notes = tuple(AttemptNote(number, NOW, "unavailable", "away", "503.") for number in range(1, NOTES_MAX + 1))
        state = hooks(a_webhook(in_flight=1), deliveries=[sending(attempts=NOTES_MAX + 1, notes=notes)])

        for decision in (
            note_failed(state, message(failed(attempt=NOTES_MAX + 1))),
            note_delivered(state, message(delivered(attempt=NOTES_MAX + 1))),
        ):
            kept = decision.state.deliveries[delivery_id()].notes
            assert [note.attempt for note in kept] == list(range(2, NOTES_MAX + 2))

    @pytest.mark.parametrize(
        "known", [None, a_delivery(state="delivered"), a_delivery(attempts=1), sending(attempts=2)]
    )
    def test_a_failure_of_another_attempt_changes_nothing(self, known: WebhookDelivery | None) -> None:
        state = hooks(a_webhook(), deliveries=[known] if known else [])

        assert note_failed(state, message(failed())) == Decision(state, outcome="outdated")

    def test_a_late_confirmation_counts_though_its_webhook_is_deleted(self) -> None:
        state = State({}, {delivery_id(): a_delivery(state="failed", attempts=1, due_at=None)})

        assert note_delivered(state, message(delivered())).state.deliveries[delivery_id()].state == "delivered"

    def test_a_confirmation_of_nothing_changes_nothing(self) -> None:
        assert note_delivered(State(), message(delivered())) == Decision(State(), outcome="outdated")


class TestTicks:
    def test_what_is_due_is_sent_the_longest_due_first(self) -> None:
        early = a_delivery("event-2", attempts=1, due_at=NOW - timedelta(seconds=5))
        later = a_delivery("event-3", due_at=NOW + timedelta(seconds=1))
        ended = a_delivery("event-4", state="failed", due_at=None)
        state = hooks(a_webhook(in_flight=IN_FLIGHT_MAX - 1), deliveries=[a_delivery(), early, later, ended])
        state = replace(state, looked_at=frozenset([HOOK]))

        decision = send_waiting(state, message(tick(NOW)))

        assert (decision.publish, decision.outcome) == ((due("event-2", attempt=2),), "sent")
        webhook = decision.state.webhooks[HOOK]
        assert (webhook.in_flight, webhook.waiting, webhook.look_at) == (IN_FLIGHT_MAX, 2, NOW)

    @pytest.mark.parametrize(
        ("webhook", "left", "next_look"),
        [
            (full(), [a_delivery()], NOW),
            (a_webhook(), [a_delivery(due_at=NOW + timedelta(hours=1))], NOW + timedelta(hours=1)),
            (a_webhook(paused_until=NOW + timedelta(minutes=5)), [a_delivery()], NOW + timedelta(minutes=5)),
            (a_webhook(), [a_delivery()], None),
        ],
    )
    def test_the_next_look_is_when_more_is_due_and_behind_others(
        self, webhook: Webhook, left: list[WebhookDelivery], next_look: datetime | None
    ) -> None:
        state = hooks(replace(webhook, look_at=NOW - timedelta(minutes=1)), deliveries=left)

        after = send_waiting(replace(state, looked_at=frozenset([HOOK])), message(tick(NOW))).state

        assert after.webhooks[HOOK].look_at == next_look

    def test_a_slow_webhook_leaves_room_for_others_of_its_shop(self) -> None:
        older = a_delivery("event-0", due_at=NOW - timedelta(hours=1))
        state = hooks(a_webhook(in_flight=1), a_webhook("hook-2"), deliveries=[older, a_delivery("event-9", "hook-2")])

        assert send_waiting(state, message(tick(NOW))).publish == (webhook_due("event-9", "hook-2"),)

    @pytest.mark.parametrize("webhook", [None, a_webhook(state="disabled"), full()])
    def test_nothing_is_sent_without_an_enabled_webhook_with_room(self, webhook: Webhook | None) -> None:
        state = hooks(*([webhook] if webhook else []), deliveries=[a_delivery()])

        assert send_waiting(state, message(tick(NOW))) == Decision(state, outcome="nothing_due")

    def test_slow_webhooks_of_one_shop_hold_up_no_other(self) -> None:
        slow = replace(full("hook-0"), shop_id="another")
        waits = replace(a_delivery(webhook_id="hook-0"), shop_id="another")
        state = hooks(slow, a_webhook(), deliveries=[waits, a_delivery()])

        assert send_waiting(state, message(tick(NOW))).publish == (due(),)

    def test_an_attempt_without_an_answer_is_made_once_more(self) -> None:
        state = hooks(a_webhook(in_flight=1), deliveries=[sending()])
        at = NOW + UNANSWERED_AFTER

        assert send_waiting(state, message(tick(at - timedelta(seconds=1)))).outcome == "nothing_due"
        after = send_waiting(state, message(tick(at))).state

        [note] = after.deliveries[delivery_id()].notes
        assert (note.code, after.deliveries[delivery_id()].state, after.webhooks[HOOK].in_flight) == (
            "unanswered",
            "waiting",
            0,
        )
        again = send_waiting(after, message(tick(at + timedelta(seconds=5))))
        assert again.publish == (due(attempt=2),)

    def test_attempts_without_an_answer_never_disable_the_webhook(self) -> None:
        """Our own worker was away for more than a day, which says nothing about the receiver."""
        state, at = hooks(a_webhook(in_flight=1), deliveries=[sending()]), NOW
        for delay_s in RETRY_DELAYS_S[:3]:
            at += FAILING_MAX
            unanswered = send_waiting(state, message(tick(at))).state
            at += timedelta(seconds=delay_s)
            state = send_waiting(unanswered, message(tick(at))).state

        assert (state.webhooks[HOOK].failures, state.webhooks[HOOK].failing_since) == (0, None)
        assert [note.code for note in state.deliveries[delivery_id()].notes] == ["unanswered"] * 3
        decision = note_failed(state, message(failed(attempt=4, failed_at=at)))
        assert (decision.outcome, decision.state.webhooks[HOOK].state) == ("waiting", "enabled")
        assert decision.state.webhooks[HOOK].failing_since == at

    def test_what_waits_for_a_removed_webhook_has_failed_because_of_it(self) -> None:
        removed = a_webhook(state="removed", removed_at=NOW, in_flight=1)
        later = a_delivery("event-2", attempts=3, due_at=NOW + timedelta(days=1))
        under_way = sending("event-3")
        done = a_delivery("event-4", state="delivered", due_at=None)
        state = hooks(removed, deliveries=[a_delivery(), later, under_way, done])

        decision = send_waiting(state, message(tick(NOW)))

        note = AttemptNote(0, NOW, "refused", "removed", "The webhook was removed.")
        over: dict[str, Any] = {"state": "failed", "due_at": None, "ended_at": NOW}
        assert decision == Decision(
            hooks(
                removed,
                deliveries=[
                    a_delivery(**over, notes=(note,)),
                    a_delivery("event-2", attempts=3, **over, notes=(replace(note, attempt=3),)),
                    under_way,
                    done,
                ],
            ),
            outcome="nothing_due",
        )

    @pytest.mark.parametrize(
        ("fields", "codes"), [({}, ["receiver_unavailable", "removed"]), ({"code": "withheld"}, ["removed"])]
    )
    def test_an_attempt_that_fails_after_the_removal_is_the_last(
        self, fields: dict[str, Any], codes: list[str]
    ) -> None:
        state = hooks(a_webhook(state="removed", removed_at=NOW, in_flight=1), deliveries=[sending()])

        after = note_failed(state, message(failed(**fields))).state

        ended = after.deliveries[delivery_id()]
        assert (ended.state, [note.code for note in ended.notes]) == ("failed", codes)
        assert (after.webhooks[HOOK].in_flight, after.webhooks[HOOK].waiting) == (0, 0)
