"""The rules of alerts: one per crossing, not one per order; what is older than what is known changes nothing."""

from __future__ import annotations

from dataclasses import replace

from contracts.decision import Decision
from contracts.envelope import Message
from contracts.operations.v1 import AlertRaised, AlertResolved, MessageDeadLettered
from contracts.stock.v1 import StockLow, StockRecovered
from workers.alerting.model import Alert, DeadLetter, Watch, dead_letter_alert, stock_alert


def raise_low_stock(watch: Watch, message: Message[StockLow]) -> Decision[Watch]:
    """Open the product's alert, or open it again."""
    low = message.data
    key = stock_alert(low.product_id)
    known = watch.alerts.get(key)
    if known is not None and known.crossing >= low.crossing:
        return Decision(watch, outcome="outdated")
    detail = f"product {low.product_id}: {low.available} left, the threshold is {low.low_at}; order more."
    times = known.times + 1 if known else 1
    alert = Alert(key, "stock_low", "open", detail, message.time, times, crossing=low.crossing)
    raised = AlertRaised(alert=key, kind=alert.kind, detail=detail, raised_at=message.time)
    return Decision(watch.with_alert(alert), (raised,), "raised")


def resolve_low_stock(watch: Watch, message: Message[StockRecovered]) -> Decision[Watch]:
    """Close the product's alert. A recovery that overtakes its alert is kept, so that the alert comes too late."""
    recovered = message.data
    key = stock_alert(recovered.product_id)
    known = watch.alerts.get(key)
    if known is not None and known.crossing >= recovered.crossing:
        return Decision(watch, outcome="outdated")
    detail = f"product {recovered.product_id}: {recovered.available} available again."
    times = known.times if known else 0
    alert = Alert(key, "stock_low", "resolved", detail, message.time, times, crossing=recovered.crossing)
    resolved = AlertResolved(alert=key, kind=alert.kind, detail=detail, resolved_at=message.time)
    return Decision(watch.with_alert(alert), (resolved,), "resolved")


def keep_dead_letter(watch: Watch, message: Message[MessageDeadLettered]) -> Decision[Watch]:
    """Keep the letter for a person. The first of its queue and cause raises an alert; the others are counted."""
    dead = message.data
    letter = DeadLetter(
        letter_id=message.id,
        worker=dead.worker,
        queue=dead.queue,
        message_id=dead.message_id,
        type=dead.type,
        reason=dead.reason,
        detail=dead.detail,
        attempts=dead.attempts,
        replays=dead.replays,
        encoding=dead.encoding,
        body=dead.body,
        died_at=message.time,
        traceback=dead.traceback,
        concerns=dead.concerns,
    )
    if letter.letter_id in watch.letters:
        return Decision(watch, outcome="duplicate")
    after = watch.with_letter(letter)
    key = dead_letter_alert(dead.queue, dead.reason)
    known = watch.alerts.get(key)
    if known is not None and known.state == "open":
        return Decision(after.with_alert(replace(known, seen=known.seen + 1)), outcome="counted")
    detail = f"{dead.queue} could not handle a message ({dead.reason}): {dead.detail}"
    alert = Alert(key, "dead_letter", "open", detail, message.time, known.times + 1 if known else 1)
    raised = AlertRaised(alert=key, kind=alert.kind, detail=detail, raised_at=message.time)
    return Decision(after.with_alert(alert), (raised,), "raised")
