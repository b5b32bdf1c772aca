"""The rules of alerts: one per threshold crossing, not one per order; an outdated event changes nothing."""

from __future__ import annotations

from dataclasses import replace

from contracts.notifications.v1 import RouteFailing, RouteRecovered
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
from workers.alerting.model import (
    LETTERS_OF_SHOP_MAX,
    NO_SHOP,
    State,
    dead_letter_alert,
    letters_of_shop,
    oversold_alert,
    route_alert,
    stock_alert,
)

_OF_SHOP = "dead_letters_of_shop"

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
    raised = AlertRaised(alert=key, kind=alert.kind, detail=detail, raised_at=message.time, times=alert.times)
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
    resolved = AlertResolved(alert=key, kind=alert.kind, detail=detail, resolved_at=message.time, times=alert.times)
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
        resolved = AlertResolved(alert=key, kind=alert.kind, detail=detail, resolved_at=message.time, times=alert.times)
        return Decision(state.with_alert(alert), (resolved,) if was_open else (), "resolved")
    detail = (
        f"product {change.product_id}: {change.shortage} units short, {change.reserved} reserved and {change.on_hand} "
        "on hand; the newest unpaid orders are cancelled, order more for the paid ones."
    )
    times += not was_open
    alert = Alert(key, "stock_oversold", "open", detail, message.time, times, crossing=change.crossing)
    raised = AlertRaised(alert=key, kind=alert.kind, detail=detail, raised_at=message.time, times=alert.times)
    return Decision(state.with_alert(alert), () if was_open else (raised,), "counted" if was_open else "raised")


def raise_failing_route(state: State, message: Message[RouteFailing]) -> Decision[State]:
    """Open the alert of a route by which notifications do not get through. The other routes report it."""
    failing = message.data
    key = route_alert(failing.route_id)
    known = state.alerts.get(key)
    if known is not None and known.crossing >= failing.crossing:
        return Decision(state, outcome="outdated")
    detail = f"route {failing.route_id}: notifications are not delivered ({failing.code}): {failing.detail}"
    times = known.times + 1 if known else 1
    alert = Alert(key, "route_failing", "open", detail, message.time, times, crossing=failing.crossing)
    raised = AlertRaised(
        alert=key,
        kind=alert.kind,
        detail=detail,
        raised_at=message.time,
        severity="critical",
        facts={"route_id": failing.route_id, "code": failing.code, "detail": failing.detail},
        times=times,
    )
    return Decision(state.with_alert(alert), (raised,), "raised")


def resolve_failing_route(state: State, message: Message[RouteRecovered]) -> Decision[State]:
    """Close the route's alert. A recovery that overtakes it is stored, so that the late failure is ignored."""
    recovered = message.data
    key = route_alert(recovered.route_id)
    known = state.alerts.get(key)
    if known is not None and known.crossing >= recovered.crossing:
        return Decision(state, outcome="outdated")
    detail = f"route {recovered.route_id}: notifications are delivered again, or the route was removed."
    times = known.times if known else 0
    alert = Alert(key, "route_failing", "resolved", detail, message.time, times, crossing=recovered.crossing)
    resolved = AlertResolved(
        alert=key,
        kind=alert.kind,
        detail=detail,
        resolved_at=message.time,
        severity="critical",
        facts={"route_id": recovered.route_id},
        times=times,
    )
    return Decision(state.with_alert(alert), (resolved,), "resolved")


def keep_dead_letter(state: State, message: Message[MessageDeadLettered]) -> Decision[State]:
    """Store the dead letter. The first of its queue and reason raises an alert; the others are counted.

    Of a shop's messages that cannot be read, LETTERS_OF_SHOP_MAX of one cause are kept waiting. The one that reaches
    the limit raises an alert that names the shop, or how to find it; further ones are counted there.
    """
    dead = message.data
    if message.id in state.letters:
        return Decision(state, outcome="duplicate")
    share_key = letters_of_shop(dead.queue, dead.reason, dead.sender)
    share = state.alerts.get(share_key or "")
    if share is not None and share.waiting >= LETTERS_OF_SHOP_MAX:
        return Decision(state.with_alert(replace(share, not_kept=(share.not_kept or 0) + 1)), outcome="counted")
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
    after = state.with_letter(letter)
    events: tuple[AlertRaised, ...] = ()
    if share_key is not None:
        after, events = _count_of_shop(after, share_key, share, message)
    key = dead_letter_alert(dead.queue, dead.reason)
    known = state.alerts.get(key)
    if known is not None and known.state == "open":
        outcome = "raised" if events else "counted"
        return Decision(after.with_alert(replace(known, seen=known.seen + 1)), events, outcome)
    detail = f"{dead.queue} could not handle a message ({dead.reason}): {dead.detail}"
    alert = Alert(key, "dead_letter", "open", detail, message.time, known.times + 1 if known else 1)
    raised = AlertRaised(alert=key, kind=alert.kind, detail=detail, raised_at=message.time, times=alert.times)
    return Decision(after.with_alert(alert), (raised, *events), "raised")


def _count_of_shop(
    state: State, key: str, known: Alert | None, message: Message[MessageDeadLettered]
) -> tuple[State, tuple[AlertRaised, ...]]:
    """Count a kept letter of a shop. The alert is open while no further one is kept."""
    dead = message.data
    share = (
        replace(known, seen=known.seen + 1) if known else Alert(key, _OF_SHOP, "resolved", "", message.time, times=0)
    )
    if share.waiting < LETTERS_OF_SHOP_MAX:
        return state.with_alert(share), ()
    detail = _too_many(key.rpartition("/")[2], share.waiting, dead)
    share = replace(share, state="open", detail=detail, changed_at=message.time, times=share.times + 1)
    return state.with_alert(share), (
        AlertRaised(alert=key, kind=_OF_SHOP, detail=detail, raised_at=message.time, times=share.times),
    )


def _too_many(shop: str, waiting: int, dead: MessageDeadLettered) -> str:
    if shop == NO_SHOP:
        return (
            f"{waiting} messages to {dead.queue} wait that do not name their login ({dead.reason}), and further ones "
            "are only counted. The connection that sends them is one of those with the most bytes received: "
            "`rabbitmqctl list_connections user recv_oct`. Have that shop correct its program, or end its login, "
            "shop.ID, with `tributary identity disable-shop ID`; then discard them."
        )
    return (
        f"shop {shop}: {waiting} messages that {dead.queue} cannot read wait ({dead.reason}), and further ones "
        f"are only answered and counted. Have the shop correct its program, or end its login with `tributary identity "
        f"disable-shop {shop}`; then discard them."
    )


def settle_dead_letter(state: State, message: Message[SettleDeadLetter]) -> Decision[State] | NotYet[State]:
    """Record a person's decision. The first decision stands, except that a discarded letter may be replayed.

    The last waiting letter of its queue and reason resolves the alert, and the first of a shop at its limit that one.
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
    events: tuple[AlertResolved, ...] = ()
    share = state.alerts.get(letters_of_shop(letter.queue, letter.reason, letter.sender) or "")
    if share is not None and share.waiting:
        # Letters from before they were counted have no part in it.
        after, events = _decided(after, share, LETTERS_OF_SHOP_MAX, "Further letters are kept again.", message)
    detail = f"{letter.queue} has no dead letter waiting any more ({letter.reason})."
    after, ended = _decided(after, state.alerts[dead_letter_alert(letter.queue, letter.reason)], 1, detail, message)
    return Decision(after, (settled, *ended, *events), command.action)


def _decided(
    state: State, alert: Alert, open_from: int, detail: str, message: Message[SettleDeadLetter]
) -> tuple[State, tuple[AlertResolved, ...]]:
    """Count a decision, and resolve the alert when fewer than `open_from` letters wait."""
    alert = replace(alert, settled=alert.settled + 1)
    if alert.state != "open" or alert.waiting >= open_from:
        return state.with_alert(alert), ()
    at = message.bounded_time
    alert = replace(alert, state="resolved", detail=detail, changed_at=at)
    resolved = AlertResolved(alert=alert.alert, kind=alert.kind, detail=detail, resolved_at=at, times=alert.times)
    return state.with_alert(alert), (resolved,)


def _refuse(state: State, command: SettleDeadLetter, reason: str, detail: str) -> Decision[State]:
    refused = DeadLetterRefused(letter_id=command.letter_id, action=command.action, reason=reason, detail=detail)
    return Decision(state, (refused,), "refused")
