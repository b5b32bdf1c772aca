"""The rules of alerts: one per threshold crossing, not one per order; an outdated event changes nothing."""

from __future__ import annotations

from dataclasses import replace

from contracts.operations.v1 import (
    AlertRaised,
    AlertResolved,
    DeadLetterRefused,
    DeadLetterSettled,
    MessageDeadLettered,
    SettleDeadLetter,
)
from contracts.operations.view import Alert, DeadLetter
from contracts.stock.v1 import StockLow, StockRecovered, StockShortageChanged
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Message
from contracts.wire.refusal import Refusing
from workers.alerting.model import State, dead_letter_alert, oversold_alert, stock_alert

refuse_unreadable_settlement = Refusing[SettleDeadLetter](DeadLetterRefused, "letter_id", "action")


def raise_low_stock(state: State, message: Message[StockLow]) -> Decision[State]:
    """Open or reopen the product's alert."""
    low = message.data
    key = stock_alert(low.product_id)
    known = state.alerts.get(key)
    if known is not None and known.crossing >= low.crossing:
        return Decision(state, outcome="outdated")
    detail = f"product {low.product_id}: {low.available} left, the threshold is {low.low_at}; order more."
    times = known.times + 1 if known else 1
    alert = Alert(key, "stock_low", "open", detail, message.time, times, crossing=low.crossing)
    raised = AlertRaised(alert=key, kind=alert.kind, detail=detail, raised_at=message.time)
    return Decision(state.with_alert(alert), (raised,), "raised")


def resolve_low_stock(state: State, message: Message[StockRecovered]) -> Decision[State]:
    """Close the product's alert. A recovery that overtakes its alert is stored, so that the late alert is ignored."""
    recovered = message.data
    key = stock_alert(recovered.product_id)
    known = state.alerts.get(key)
    if known is not None and known.crossing >= recovered.crossing:
        return Decision(state, outcome="outdated")
    detail = f"product {recovered.product_id}: {recovered.available} available again."
    times = known.times if known else 0
    alert = Alert(key, "stock_low", "resolved", detail, message.time, times, crossing=recovered.crossing)
    resolved = AlertResolved(alert=key, kind=alert.kind, detail=detail, resolved_at=message.time)
    return Decision(state.with_alert(alert), (resolved,), "resolved")


def note_shortage(state: State, message: Message[StockShortageChanged]) -> Decision[State]:
    """Open, update or close the alert of a product with more units reserved than in stock."""
    change = message.data
    key = oversold_alert(change.product_id)
    known = state.alerts.get(key)
    if known is not None and known.crossing >= change.crossing:
        return Decision(state, outcome="outdated")
    was_open = known is not None and known.state == "open"
    times = known.times if known else 0
    if not change.shortage:
        detail = f"product {change.product_id}: all reserved units are in stock again ({change.on_hand} on hand)."
        alert = Alert(key, "stock_oversold", "resolved", detail, message.time, times, crossing=change.crossing)
        resolved = AlertResolved(alert=key, kind=alert.kind, detail=detail, resolved_at=message.time)
        return Decision(state.with_alert(alert), (resolved,) if was_open else (), "resolved")
    detail = (
        f"product {change.product_id}: {change.shortage} units short, {change.reserved} reserved and {change.on_hand} "
        "on hand; the newest unpaid orders are cancelled, order more for the paid ones."
    )
    times += not was_open
    alert = Alert(key, "stock_oversold", "open", detail, message.time, times, crossing=change.crossing)
    raised = AlertRaised(alert=key, kind=alert.kind, detail=detail, raised_at=message.time)
    return Decision(state.with_alert(alert), () if was_open else (raised,), "counted" if was_open else "raised")


def keep_dead_letter(state: State, message: Message[MessageDeadLettered]) -> Decision[State]:
    """Store the dead letter. The first of its queue and reason raises an alert; the others are counted."""
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
        sender=dead.sender,
        content_type=dead.content_type,
        routing_key=dead.routing_key,
    )
    if letter.letter_id in state.letters:
        return Decision(state, outcome="duplicate")
    after = state.with_letter(letter)
    key = dead_letter_alert(dead.queue, dead.reason)
    known = state.alerts.get(key)
    if known is not None and known.state == "open":
        return Decision(after.with_alert(replace(known, seen=known.seen + 1)), outcome="counted")
    detail = f"{dead.queue} could not handle a message ({dead.reason}): {dead.detail}"
    alert = Alert(key, "dead_letter", "open", detail, message.time, known.times + 1 if known else 1)
    raised = AlertRaised(alert=key, kind=alert.kind, detail=detail, raised_at=message.time)
    return Decision(after.with_alert(alert), (raised,), "raised")


def settle_dead_letter(state: State, message: Message[SettleDeadLetter]) -> Decision[State] | NotYet[State]:
    """Record a person's decision. The first decision stands, except that a discarded letter may be replayed.

    The last waiting letter of its queue and reason resolves the alert.
    """
    command = message.data
    letter = state.letters.get(command.letter_id)
    if letter is None:
        detail = f"There is no dead letter {command.letter_id}; `tributary dead list` shows the existing ones."
        return NotYet("unknown_letter", _refuse(state, command, "unknown_letter", detail))
    if letter.state == command.action:
        return Decision(state, outcome="duplicate")
    if letter.state == "replayed":
        detail = f"{letter.settled_by} has replayed it already; if it failed again, that is a new dead letter."
        return _refuse(state, command, "already_replayed", detail)
    settled = DeadLetterSettled(
        letter_id=letter.letter_id,
        action=command.action,
        by=command.by,
        note=command.note,
        queue=letter.queue,
        reason=letter.reason,
        settled_at=message.bounded_time,
        os_user=command.os_user,
    )
    after = state.with_letter(
        replace(
            letter,
            state=command.action,
            settled_by=command.by,
            settled_at=message.bounded_time,
            note=command.note,
            os_user=command.os_user,
        )
    )
    if letter.state == "discarded":
        return Decision(after, (settled,), command.action)
    alert = state.alerts[dead_letter_alert(letter.queue, letter.reason)]
    alert = replace(alert, settled=alert.settled + 1)
    if alert.settled < alert.seen:
        return Decision(after.with_alert(alert), (settled,), command.action)
    detail = f"{letter.queue} has no dead letter waiting any more ({letter.reason})."
    alert = replace(alert, state="resolved", detail=detail, changed_at=message.bounded_time)
    resolved = AlertResolved(alert=alert.alert, kind=alert.kind, detail=detail, resolved_at=message.bounded_time)
    return Decision(after.with_alert(alert), (settled, resolved), command.action)


def _refuse(state: State, command: SettleDeadLetter, reason: str, detail: str) -> Decision[State]:
    refused = DeadLetterRefused(letter_id=command.letter_id, action=command.action, reason=reason, detail=detail)
    return Decision(state, (refused,), "refused")
