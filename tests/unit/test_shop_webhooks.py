"""Webhooks of shops: commands of a shop about its own, and deliveries that are tried until they end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.webhooks.v1 import (
    EnableWebhook,
    RedeliverWebhook,
    RemoveWebhook,
    RotateWebhookSecret,
    WebhookDefined,
    WebhookDisabled,
    WebhookDue,
    WebhookEnabled,
    WebhookRedelivered,
    WebhookRefused,
    WebhookRemoved,
    WebhookSecretRotated,
)
from contracts.webhooks.view import AttemptNote, Webhook, WebhookDelivery
from contracts.wire.decision import Decision
from tests.builders import NOW, SHOP, message, tick
from tests.webhook_builders import (
    HOOK,
    NEXT_SECRET,
    PAID,
    SECRET,
    a_delivery,
    a_webhook,
    copied,
    define,
    delivered,
    delivery_id,
    failed,
    webhook_due,
)
from workers.shop_webhooks import decide
from workers.shop_webhooks.deliveries import note_delivered, note_failed, send_waiting, take_copy
from workers.shop_webhooks.model import (
    EMPTIED_AFTER,
    IN_FLIGHT_MAX,
    NOTES_MAX,
    PREVIOUS_SECRET_FOR,
    RETRY_DELAYS_S,
    UNANSWERED_AFTER,
    WEBHOOKS_MAX,
    State,
)

OWN: dict[str, Any] = {"webhook_id": HOOK, "shop_id": SHOP, "by": "li.na"}


def hooks(*webhooks: Webhook, deliveries: Sequence[WebhookDelivery] = ()) -> State:
    return State({each.webhook_id: each for each in webhooks}, {each.delivery_id: each for each in deliveries})


def due(event_id: str = "event-1", attempt: int = 1, secrets: tuple[str, ...] = (SECRET,)) -> WebhookDue:
    return webhook_due(event_id, attempt=attempt, secrets=secrets)


def sending(event_id: str = "event-1", attempts: int = 1, **fields: Any) -> WebhookDelivery:
    return a_delivery(
        event_id, **{"state": "sending", "attempts": attempts, "due_at": NOW + UNANSWERED_AFTER, **fields}
    )


def reason(decision: Decision[State]) -> str:
    [refused] = decision.publish
    assert isinstance(refused, WebhookRefused)
    assert decision.outcome == "refused"
    return refused.reason


class TestCommands:
    def test_a_webhook_is_defined(self) -> None:
        event = WebhookDefined(webhook_id=HOOK, shop_id=SHOP, types=(PAID,), host="hooks.test", by="li.na")

        assert decide.define(State(), message(define())) == Decision(hooks(a_webhook()), (event,), "defined")

    @pytest.mark.parametrize("kind", ["stock.reserved.v1", "commission.accrued.v1", "tea.made.v1"])
    def test_only_events_of_the_shops_own_orders_are_sent(self, kind: str) -> None:
        assert reason(decide.define(State(), message(define(types=(PAID, kind))))) == "not_shop_event"

    def test_an_id_in_use_is_refused_also_to_another_shop(self) -> None:
        state = hooks(a_webhook(shop_id="another"))

        assert reason(decide.define(state, message(define()))) == "already_defined"

    def test_a_shop_has_a_limit_of_webhooks_that_are_not_removed(self) -> None:
        full = [a_webhook(f"hook-{number}") for number in range(2, WEBHOOKS_MAX + 2)]

        assert reason(decide.define(hooks(*full), message(define()))) == "too_many_webhooks"
        left = [replace(full[0], state="removed"), *full[1:]]
        assert decide.define(hooks(*left), message(define())).outcome == "defined"

    @pytest.mark.parametrize(
        ("rule", "command"),
        [
            (decide.remove, RemoveWebhook(**OWN)),
            (decide.enable, EnableWebhook(**OWN)),
            (decide.rotate_secret, RotateWebhookSecret(**OWN, secret=NEXT_SECRET)),
            (decide.redeliver, RedeliverWebhook(**OWN, delivery_id="d-1")),
        ],
    )
    @pytest.mark.parametrize("known", [None, a_webhook(shop_id="another"), a_webhook(state="removed")])
    def test_what_is_not_the_shops_is_unknown(self, rule: Any, command: Any, known: Webhook | None) -> None:
        state = hooks(known) if known else State()

        decision = rule(state, message(command))

        assert (reason(decision), decision.state) == ("webhook_unknown", state)

    def test_it_is_removed(self) -> None:
        event = WebhookRemoved(webhook_id=HOOK, shop_id=SHOP, crossing=1, by="li.na")

        assert decide.remove(hooks(a_webhook()), message(RemoveWebhook(**OWN))) == Decision(
            hooks(a_webhook(state="removed", crossings=1, removed_at=NOW)), (event,), "removed"
        )

    def test_both_secrets_sign_for_a_day_after_a_rotation(self) -> None:
        until = NOW + PREVIOUS_SECRET_FOR
        event = WebhookSecretRotated(webhook_id=HOOK, shop_id=SHOP, previous_until=until, by="li.na")
        rotated = a_webhook(secret=NEXT_SECRET, previous_secret=SECRET, previous_until=until)

        decision = decide.rotate_secret(hooks(a_webhook()), message(RotateWebhookSecret(**OWN, secret=NEXT_SECRET)))

        assert decision == Decision(hooks(rotated), (event,), "rotated")
        assert take_copy(decision.state, message(copied())).publish == (due(secrets=(NEXT_SECRET, SECRET)),)
        later = message(copied(), time=until)
        assert take_copy(decision.state, later).publish == (due(secrets=(NEXT_SECRET,)),)

    def test_a_disabled_webhook_is_enabled(self) -> None:
        event = WebhookEnabled(webhook_id=HOOK, shop_id=SHOP, crossing=2, by="li.na")
        state = hooks(a_webhook(state="disabled", crossings=1, code="gone", detail="answered 410."))

        decision = decide.enable(state, message(EnableWebhook(**OWN)))

        assert decision == Decision(hooks(a_webhook(crossings=2)), (event,), "enabled")
        assert decide.enable(decision.state, message(EnableWebhook(**OWN))).outcome == "already_enabled"

    def test_a_failed_delivery_begins_another_series_under_its_id(self) -> None:
        ended = a_delivery(state="failed", attempts=7, due_at=None, ended_at=NOW)
        event = WebhookRedelivered(webhook_id=HOOK, shop_id=SHOP, delivery_id=ended.delivery_id, by="li.na")
        command = RedeliverWebhook(**OWN, delivery_id=ended.delivery_id)

        decision = decide.redeliver(hooks(a_webhook(), deliveries=[ended]), message(command))

        assert decision.publish == (event, due(attempt=8))
        assert decision.state == hooks(a_webhook(in_flight=1), deliveries=[sending(attempts=8, attempts_before=7)])
        again = note_failed(decision.state, message(failed(attempt=8)))
        assert again.state.deliveries[ended.delivery_id].due_at == NOW + timedelta(seconds=RETRY_DELAYS_S[0])

    @pytest.mark.parametrize("known", [None, a_delivery(state="failed", webhook_id="hook-2")])
    def test_a_delivery_of_another_webhook_is_unknown(self, known: WebhookDelivery | None) -> None:
        state = hooks(a_webhook(), deliveries=[known] if known else [])
        command = RedeliverWebhook(**OWN, delivery_id=known.delivery_id if known else "d-1")

        assert reason(decide.redeliver(state, message(command))) == "delivery_unknown"

    @pytest.mark.parametrize("state", ["waiting", "sending", "delivered"])
    def test_only_a_failed_delivery_is_tried_again_by_hand(self, state: Any) -> None:
        known = a_delivery(state=state)
        command = RedeliverWebhook(**OWN, delivery_id=known.delivery_id)

        assert reason(decide.redeliver(hooks(a_webhook(), deliveries=[known]), message(command))) == "not_failed"


class TestCopies:
    def test_a_copy_is_sent_at_once(self) -> None:
        assert take_copy(hooks(a_webhook()), message(copied())) == Decision(
            hooks(a_webhook(in_flight=1), deliveries=[sending()]), (due(),), "taken"
        )

    def test_each_matching_webhook_gets_its_own_delivery(self) -> None:
        state = hooks(a_webhook(), a_webhook("hook-2"), a_webhook("hook-3", types=("order.shipped.v1",)))

        decision = take_copy(state, message(copied()))

        assert {each.webhook_id for each in decision.state.deliveries.values()} == {HOOK, "hook-2"}
        assert len({each.delivery_id for each in decision.publish if isinstance(each, WebhookDue)}) == 2

    @pytest.mark.parametrize(
        "webhook",
        [
            a_webhook(types=("order.shipped.v1",)),
            a_webhook(state="disabled"),
            a_webhook(state="removed"),
            a_webhook(shop_id="another"),
        ],
    )
    def test_a_copy_that_no_webhook_asks_for_is_dropped(self, webhook: Webhook) -> None:
        assert take_copy(hooks(webhook), message(copied())) == Decision(hooks(webhook), outcome="dropped")

    def test_a_copy_waits_while_its_webhook_has_no_room(self) -> None:
        state = hooks(a_webhook(in_flight=IN_FLIGHT_MAX))

        decision = take_copy(state, message(copied()))

        assert (decision.publish, decision.outcome) == ((), "taken")
        assert decision.state.deliveries == {delivery_id(): a_delivery()}


class TestAnswers:
    def test_an_answer_delivers_it_and_makes_room_for_the_next(self) -> None:
        state = hooks(a_webhook(in_flight=IN_FLIGHT_MAX), deliveries=[sending(), a_delivery("event-2")])

        decision = note_delivered(state, message(delivered()))

        note = AttemptNote(1, NOW, "done", "delivered", "answered 204.")
        ended = a_delivery(state="delivered", attempts=1, due_at=None, ended_at=NOW, notes=(note,))
        assert decision == Decision(
            hooks(a_webhook(in_flight=IN_FLIGHT_MAX), deliveries=[ended, sending("event-2")]),
            (due("event-2"),),
            "delivered",
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
            state = state.with_delivery(begins).with_webhook(a_webhook(in_flight=1))

        assert pauses == [5, 60, 600, 3600, 21_600, 86_400]
        assert (delivery.state, delivery.ended_at, len(delivery.notes)) == ("failed", NOW, 7)
        assert state.webhooks[HOOK].in_flight == 0

    def test_the_receivers_own_pause_counts_if_it_is_longer(self) -> None:
        state = hooks(a_webhook(in_flight=1), deliveries=[sending()])

        for asked, pause in ((2, 5), (90, 90)):
            after = note_failed(state, message(failed(retry_after_s=asked))).state
            assert after.deliveries[delivery_id()].due_at == NOW + timedelta(seconds=pause)

    def test_an_attempt_that_was_not_made_takes_no_place(self) -> None:
        state = hooks(a_webhook(in_flight=1), deliveries=[sending()])

        after = note_failed(state, message(failed(code="paused", retry_after_s=30))).state.deliveries[delivery_id()]

        assert (after.state, after.due_at, after.attempts_before) == ("waiting", NOW + timedelta(seconds=30), 1)
        assert after.notes == ()

    def test_a_pause_without_a_time_is_the_first_one(self) -> None:
        state = hooks(a_webhook(in_flight=1), deliveries=[sending()])

        after = note_failed(state, message(failed(code="paused"))).state.deliveries[delivery_id()]

        assert after.due_at == NOW + timedelta(seconds=RETRY_DELAYS_S[0])

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

    def test_a_confirmation_of_nothing_changes_nothing(self) -> None:
        assert note_delivered(State(), message(delivered())) == Decision(State(), outcome="outdated")


class TestTicks:
    def test_what_is_due_is_sent_the_longest_due_first(self) -> None:
        early = a_delivery("event-2", attempts=1, due_at=NOW - timedelta(seconds=5))
        later = a_delivery("event-3", due_at=NOW + timedelta(seconds=1))
        ended = a_delivery("event-4", state="failed", due_at=None)
        state = hooks(a_webhook(in_flight=IN_FLIGHT_MAX - 1), deliveries=[a_delivery(), early, later, ended])

        decision = send_waiting(state, message(tick(NOW)))

        assert (decision.publish, decision.outcome) == ((due("event-2", attempt=2),), "sent")
        assert decision.state.webhooks[HOOK].in_flight == IN_FLIGHT_MAX

    @pytest.mark.parametrize("webhook", [None, a_webhook(state="disabled"), a_webhook(in_flight=IN_FLIGHT_MAX)])
    def test_nothing_is_sent_without_an_enabled_webhook_with_room(self, webhook: Webhook | None) -> None:
        state = hooks(*([webhook] if webhook else []), deliveries=[a_delivery()])

        assert send_waiting(state, message(tick(NOW))) == Decision(state, outcome="nothing_due")

    def test_one_slow_webhook_holds_up_no_other(self) -> None:
        slow = a_webhook("hook-0", in_flight=IN_FLIGHT_MAX)
        state = hooks(slow, a_webhook(), deliveries=[a_delivery(webhook_id="hook-0"), a_delivery()])

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

    def test_an_attempt_that_fails_after_the_removal_ends_with_the_next_tick(self) -> None:
        state = hooks(a_webhook(state="removed", removed_at=NOW, in_flight=1), deliveries=[sending()])

        failure = note_failed(state, message(failed()))
        decision = send_waiting(failure.state, message(tick(NOW)))

        ended = decision.state.deliveries[delivery_id()]
        assert (ended.state, [note.code for note in ended.notes]) == ("failed", ["receiver_unavailable", "removed"])

    @pytest.mark.parametrize(
        ("since", "in_flight", "left", "is_emptied"),
        [
            (EMPTIED_AFTER, 0, [], True),
            (EMPTIED_AFTER - timedelta(seconds=1), 0, [], False),
            (EMPTIED_AFTER, 1, [], False),
            (EMPTIED_AFTER, 0, [a_delivery()], False),
        ],
    )
    def test_a_day_after_its_removal_a_webhook_for_which_nothing_waits_is_emptied(
        self, since: timedelta, in_flight: int, left: list[WebhookDelivery], is_emptied: bool
    ) -> None:
        removed = a_webhook(state="removed", removed_at=NOW - since, in_flight=in_flight)

        decision = send_waiting(hooks(removed, deliveries=left), message(tick(NOW)))

        assert decision.state.webhooks[HOOK].is_emptied == is_emptied
