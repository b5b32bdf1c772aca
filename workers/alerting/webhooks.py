"""The alert of a webhook that was disabled: by an operator, or as its receiver answered that it is gone."""

from __future__ import annotations

from contracts.operations.view import Alert
from contracts.webhooks.v1 import WebhookDisabled, WebhookEnabled, WebhookRemoved
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from workers.alerting.events import raised, resolved
from workers.alerting.model import State, webhook_alert

_KIND = "webhook_disabled"


def note_disabled(state: State, message: Message[WebhookDisabled]) -> Decision[State]:
    """Open the webhook's alert."""
    change = message.data
    key = webhook_alert(change.webhook_id)
    known = state.alerts.get(key)
    if known is not None and known.crossing >= change.crossing:
        return Decision(state, outcome="outdated")
    why = f", as {change.detail}" if change.by is None else f" by {change.by}."
    detail = (
        f"shop {change.shop_id}: webhook {change.webhook_id} is disabled{why} What waits is kept; enable or remove "
        "it, or have the shop do so."
    )
    times = known.times + 1 if known else 1
    alert = Alert(key, _KIND, "open", detail, message.time, times, crossing=change.crossing)
    facts = {"shop_id": change.shop_id, "webhook_id": change.webhook_id, "host": change.host, "code": change.code}
    return Decision(state.with_alert(alert), (raised(alert, facts, shop_id=change.shop_id),), "raised")


def note_back(state: State, message: Message[WebhookEnabled | WebhookRemoved]) -> Decision[State]:
    """Close it. A change that overtakes the alert is stored, so that the late alert is ignored."""
    change = message.data
    key = webhook_alert(change.webhook_id)
    known = state.alerts.get(key)
    if known is not None and known.crossing >= change.crossing:
        return Decision(state, outcome="outdated")
    was_open = known is not None and known.state == "open"
    detail = f"shop {change.shop_id}: webhook {change.webhook_id} is enabled again, or removed."
    times = known.times if known else 0
    alert = Alert(key, _KIND, "resolved", detail, message.time, times, crossing=change.crossing)
    facts = {"shop_id": change.shop_id, "webhook_id": change.webhook_id}
    event = resolved(alert, facts, shop_id=change.shop_id)
    return Decision(state.with_alert(alert), (event,) if was_open else (), "resolved")
