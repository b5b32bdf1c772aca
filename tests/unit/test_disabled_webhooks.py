"""A webhook that an operator disables gets nothing more, as after an answer 410."""

from __future__ import annotations

import pytest

from contracts.webhooks.v1 import DisableWebhook, WebhookDisabled, WebhookRefused
from contracts.webhooks.view import Webhook
from contracts.wire.decision import Decision
from tests.builders import SHOP, message
from tests.webhook_builders import HOOK, a_webhook, copied
from workers.shop_webhooks.decide import disable
from workers.shop_webhooks.deliveries import take_copy
from workers.shop_webhooks.model import State

COMMAND = message(DisableWebhook(webhook_id=HOOK, shop_id=SHOP, by="li.na"))


def test_it_is_disabled_once_and_gets_nothing_more() -> None:
    known = {"crossing": 1, "code": "by_operator", "detail": "li.na disabled it.", "by": "li.na"}
    event = WebhookDisabled.model_validate({"webhook_id": HOOK, "shop_id": SHOP, "host": "hooks.test", **known})
    webhook = a_webhook(state="disabled", crossings=1, code="by_operator", detail="li.na disabled it.")

    decision = disable(State({HOOK: a_webhook()}), COMMAND)

    assert decision == Decision(State({HOOK: webhook}), (event,), "disabled")
    assert take_copy(decision.state, message(copied())).outcome == "dropped"
    assert disable(decision.state, COMMAND) == Decision(decision.state, outcome="already_disabled")


@pytest.mark.parametrize("known", [None, a_webhook(shop_id="another"), a_webhook(state="removed")])
def test_what_is_not_the_shops_is_unknown(known: Webhook | None) -> None:
    state = State({HOOK: known}) if known else State()

    decision = disable(state, COMMAND)

    assert [event.reason for event in decision.publish if isinstance(event, WebhookRefused)] == ["webhook_unknown"]
    assert decision.state == state
