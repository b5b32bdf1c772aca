"""The rules of dead letters: one alert for each cause. The other rules of alerts are in rooms beside this one."""

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
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Message
from contracts.wire.refusal import Refusing
from workers.alerting.events import raised, resolved
from workers.alerting.model import (
    LETTERS_OF_SHOP_MAX,
    NO_SHOP,
    State,
    dead_letter_alert,
    letters_of_shop,
)

_OF_SHOP = "dead_letters_of_shop"

refuse_unreadable_settlement = Refusing[SettleDeadLetter](DeadLetterRefused, "letter_id", "action")


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
    facts = {"queue": dead.queue, "reason": dead.reason, "detail": dead.detail}
    return Decision(after.with_alert(alert), (raised(alert, facts), *events), "raised")


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
    facts = {"queue": dead.queue, "reason": dead.reason, "waiting": share.waiting}
    return state.with_alert(share), (raised(share, facts, shop_id=_shop(key)),)


def _shop(key: str) -> str | None:
    """The shop of an alert about a shop's letters; None where the letters do not name their login."""
    shop = key.rpartition("/")[2]
    return None if shop == NO_SHOP else shop


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
    shop_id = _shop(alert.alert) if alert.kind == _OF_SHOP else None
    return state.with_alert(alert), (resolved(alert, _cause(alert.alert), shop_id=shop_id),)


def _cause(key: str) -> dict[str, str]:
    """The queue and the reason that a dead letter's alert is about, by its key."""
    _, queue, reason, *_ = key.split("/")
    return {"queue": queue, "reason": reason}


def _refuse(state: State, command: SettleDeadLetter, reason: str, detail: str) -> Decision[State]:
    refused = DeadLetterRefused(letter_id=command.letter_id, action=command.action, reason=reason, detail=detail)
    return Decision(state, (refused,), "refused")
