"""Copies for the webhooks of shops, and the report of each attempt."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from pydantic import SecretStr

from contracts.webhooks.v1 import ShopEventCopied, WebhookDelivered, WebhookFailed
from contracts.wire.answer import Answer
from contracts.wire.decision import Decision
from contracts.wire.envelope import EVENTS_EXCHANGE, emit, message_of
from infra.receivers.shop_webhooks import new_secret, open_secret, open_url, seal_secret, seal_url
from infra.runtime.journal import Emitted
from infra.runtime.outbox import events_for_webhooks
from infra.sealing import CannotUnseal
from infra.settings import Settings
from tests.builders import NOW, SHOP, accepted, message, place
from tests.stock_builders import reserved
from tests.webhook_builders import HOOK, delivered, delivery_id, failed, webhook_due
from workers.notification_delivery.model import State
from workers.notification_delivery.webhooks import key_of_webhook, report_webhook

KEY = SecretStr("a delivery secret of more than 32 characters")


def emitted(payload: Any) -> Emitted:
    event = emit(payload, cause=message(place()), source="order_intake", index=0, at=NOW)
    return Emitted("cause", event.id, event.type, event.to_bytes())


class TestCopies:
    def test_a_copy_has_what_the_shop_may_read_and_an_id_of_its_own(self) -> None:
        original = emitted(accepted())

        [outgoing] = events_for_webhooks(
            [original, emitted(reserved((501, "default", 1)))],
            Settings.model_construct(),
            frozenset([SHOP]),
            routed=frozenset([ShopEventCopied.message_type]),
        )

        assert (outgoing.exchange, outgoing.mandatory, outgoing.best_effort) == (EVENTS_EXCHANGE, True, False)
        [body] = json.loads(outgoing.body)
        copy = message_of(ShopEventCopied).model_validate(body)
        assert copy.id != original.id
        assert (copy.data.shop_id, copy.data.event_id, copy.data.event_type) == (SHOP, original.id, original.type)
        event = json.loads(copy.data.event)
        assert (event["id"], len(event["data"]["upline"])) == (original.id, 1)

    def test_other_shops_get_none(self) -> None:
        settings = Settings.model_construct()

        assert events_for_webhooks([emitted(accepted())], settings, frozenset(["another"]), routed=frozenset()) == []


class TestReports:
    DUE = webhook_due()

    def test_a_delivery_is_reported(self) -> None:
        answer = Answer("done", "delivered", "answered 204.", NOW)

        decision = report_webhook(State(), message(self.DUE), answer)

        assert decision == Decision(State(), (delivered(),), "done")
        assert isinstance(decision.publish[0], WebhookDelivered)

    @pytest.mark.parametrize("outcome", ["refused", "unavailable", "unknown"])
    def test_any_other_answer_is_a_failure(self, outcome: Literal["refused", "unavailable", "unknown"]) -> None:
        answer = Answer(outcome, "busy", "answered 429.", NOW, retry_after_s=7)

        decision = report_webhook(State(), message(self.DUE), answer)

        expected = failed(outcome=outcome, code="busy", detail="answered 429.", retry_after_s=7)
        assert decision == Decision(State(), (expected,), outcome)
        assert isinstance(decision.publish[0], WebhookFailed)

    def test_all_attempts_have_one_key(self) -> None:
        assert key_of_webhook(self.DUE) == key_of_webhook(self.DUE.model_copy(update={"attempt": 2})) == delivery_id()


class TestSealing:
    def test_address_and_secret_open_only_as_what_they_are_and_for_their_webhook(self) -> None:
        url, secret = "https://hooks.example.com/?key=canary", new_secret()
        sealed_url, sealed_secret = seal_url(url, HOOK, KEY), seal_secret(secret, HOOK, KEY)

        assert (open_url(sealed_url, HOOK, KEY), open_secret(sealed_secret, HOOK, KEY)) == (url, secret)
        with pytest.raises(CannotUnseal):
            open_url(sealed_secret, HOOK, KEY)
        with pytest.raises(CannotUnseal):
            open_url(sealed_url, "hook-2", KEY)
        with pytest.raises(CannotUnseal):
            open_secret(sealed_secret, HOOK, None)
