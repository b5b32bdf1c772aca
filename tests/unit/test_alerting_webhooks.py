"""The alert of a webhook that was disabled: open until it is enabled or removed, in any order of the events."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.operations.v1 import AlertRaised, AlertResolved
from contracts.operations.view import Alert
from contracts.webhooks.v1 import WebhookDisabled, WebhookEnabled, WebhookRemoved
from contracts.wire.decision import Decision
from tests.builders import NOW, SHOP, message
from tests.webhook_builders import HOOK
from workers.alerting.model import State
from workers.alerting.webhooks import note_back, note_disabled

KEY = f"webhook/{HOOK}"
OPEN = Alert(
    KEY,
    "webhook_disabled",
    "open",
    f"shop {SHOP}: webhook {HOOK} is disabled, as hooks.test answered 410. What waits is kept; enable or remove it, "
    "or have the shop do so.",
    NOW,
    crossing=1,
)


def disabled(crossing: int = 1) -> WebhookDisabled:
    return WebhookDisabled(
        webhook_id=HOOK,
        shop_id=SHOP,
        host="hooks.test",
        crossing=crossing,
        code="gone",
        detail="hooks.test answered 410.",
    )


def test_it_opens_with_its_shop() -> None:
    event = AlertRaised(
        alert=KEY,
        kind="webhook_disabled",
        detail=OPEN.detail,
        raised_at=NOW,
        severity="warning",
        shop_id=SHOP,
        facts={"shop_id": SHOP, "webhook_id": HOOK, "host": "hooks.test", "code": "gone"},
        times=1,
    )

    decision = note_disabled(State(), message(disabled()))

    assert decision == Decision(State({KEY: OPEN}), (event,), "raised")
    assert note_disabled(decision.state, message(disabled())).outcome == "outdated"
    assert note_disabled(decision.state, message(disabled(3))).state.alerts[KEY].times == 2


def test_one_that_an_operator_disabled_names_who_did() -> None:
    by_operator = disabled().model_copy(update={"code": "by_operator", "detail": "ann disabled it.", "by": "ann"})

    alert = note_disabled(State(), message(by_operator)).state.alerts[KEY]

    assert alert.detail.startswith(f"shop {SHOP}: webhook {HOOK} is disabled by ann. What waits is kept;")


@pytest.mark.parametrize("kind", [WebhookEnabled, WebhookRemoved])
def test_it_closes_when_the_webhook_is_enabled_or_removed(kind: Any) -> None:
    back = message(kind(webhook_id=HOOK, shop_id=SHOP, crossing=2, by="li.na"))

    decision = note_back(State({KEY: OPEN}), back)

    [event] = decision.publish
    assert isinstance(event, AlertResolved)
    assert (event.alert, event.shop_id, decision.state.alerts[KEY].state) == (KEY, SHOP, "resolved")
    assert note_back(decision.state, back).outcome == "outdated"


def test_a_change_that_overtakes_the_alert_is_stored() -> None:
    removed = WebhookRemoved(webhook_id=HOOK, shop_id=SHOP, crossing=2, by="li.na")

    decision = note_back(State(), message(removed))

    assert decision.publish == ()
    assert note_disabled(decision.state, message(disabled())).outcome == "outdated"
