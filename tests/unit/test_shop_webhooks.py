"""Webhooks of shops: commands of a shop about its own, and deliveries that are tried until they end."""

from __future__ import annotations

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
    WebhookDue,
    WebhookEnabled,
    WebhookRedelivered,
    WebhookRefused,
    WebhookRemoved,
    WebhookSecretRotated,
)
from contracts.webhooks.view import Webhook, WebhookDelivery
from contracts.wire.decision import Decision
from tests.builders import NOW, SHOP, message
from tests.webhook_builders import (
    HOOK,
    NEXT_SECRET,
    PAID,
    SECRET,
    a_delivery,
    a_webhook,
    copied,
    define,
    failed,
    full,
    hooks,
    sending,
    webhook_due,
)
from workers.notification_delivery.webhooks import key_of_webhook, shop_of
from workers.shop_webhooks import decide
from workers.shop_webhooks.deliveries import note_failed, take_copy
from workers.shop_webhooks.model import (
    DEFINED_MAX,
    DEFINED_WITHIN,
    PREVIOUS_SECRET_FOR,
    RETRY_DELAYS_S,
    WAITING_MAX,
    WEBHOOKS_MAX,
    State,
)

OWN: dict[str, Any] = {"webhook_id": HOOK, "shop_id": SHOP, "by": "li.na"}


def due(event_id: str = "event-1", attempt: int = 1, secrets: tuple[str, ...] = (SECRET,)) -> WebhookDue:
    return webhook_due(event_id, attempt=attempt, secrets=secrets)


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

    def test_a_shop_defines_a_limited_number_in_a_day_though_it_removes_them(self) -> None:
        gone = [a_webhook(f"hook-{number}", state="removed") for number in range(2, DEFINED_MAX + 2)]

        assert reason(decide.define(hooks(*gone), message(define()))) == "too_many_webhooks"
        later = message(define(), time=NOW + DEFINED_WITHIN)
        assert decide.define(hooks(*gone), later).outcome == "defined"

    def test_each_type_counts_once(self) -> None:
        decision = decide.define(State(), message(define(types=(PAID, PAID))))

        assert decision.state.webhooks[HOOK].types == (PAID,)

    def test_ticks_look_at_once_for_what_waits_when_it_is_removed_or_enabled(self) -> None:
        later = a_delivery(due_at=NOW + timedelta(hours=1))
        failing: dict[str, Any] = {"failures": 9, "failing_since": NOW, "paused_until": NOW + timedelta(hours=1)}
        state = hooks(a_webhook(state="disabled", **failing), deliveries=[later])

        enabled = decide.enable(state, message(EnableWebhook(**OWN))).state.webhooks[HOOK]
        assert (enabled.look_at, enabled.failures, enabled.failing_since, enabled.paused_until) == (NOW, 0, None, None)
        removed = decide.remove(state, message(RemoveWebhook(**OWN))).state.webhooks[HOOK]
        assert removed.look_at == NOW

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

    @pytest.mark.parametrize("state", ["waiting", "sending"])
    def test_only_a_delivery_that_has_ended_is_sent_again_by_hand(self, state: Any) -> None:
        known = a_delivery(state=state)
        command = RedeliverWebhook(**OWN, delivery_id=known.delivery_id)

        assert reason(decide.redeliver(hooks(a_webhook(), deliveries=[known]), message(command))) == "not_ended"

    def test_what_was_delivered_is_another_call_when_it_is_sent_again(self) -> None:
        known = a_delivery(state="delivered", attempts=1, due_at=None, ended_at=NOW)
        command = RedeliverWebhook(**OWN, delivery_id=known.delivery_id)

        decision = decide.redeliver(hooks(a_webhook(), deliveries=[known]), message(command))

        _, again = decision.publish
        assert isinstance(again, WebhookDue)
        assert (again.attempt, again.redelivery, key_of_webhook(again)) == (2, 1, f"{known.delivery_id}/1")
        assert (key_of_webhook(due()), shop_of(due())) == (known.delivery_id, SHOP)


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
        decision = take_copy(hooks(full()), message(copied()))

        assert decision == Decision(hooks(full(), deliveries=[a_delivery()]), outcome="taken")

    def test_the_room_is_that_of_the_shop_with_all_its_webhooks(self) -> None:
        """Also with a removed one, whose attempts are still under way."""
        state = hooks(a_webhook(), replace(full("hook-2"), state="removed"), replace(full("hook-3"), shop_id="other"))

        assert take_copy(state, message(copied())).publish == ()

    def test_what_comes_while_too_much_waits_is_counted_and_not_kept(self) -> None:
        state = hooks(replace(full(), waiting=WAITING_MAX))

        decision = take_copy(state, message(copied()))

        kept = replace(full(), waiting=WAITING_MAX, not_kept=1)
        assert decision == Decision(State({HOOK: kept}), outcome="not_kept")
        other = take_copy(State({HOOK: kept, "hook-2": a_webhook("hook-2")}), message(copied()))
        assert ([each.webhook_id for each in other.state.deliveries.values()], other.outcome) == (["hook-2"], "taken")
