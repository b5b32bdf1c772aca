"""The rule of alerts about `tributary verify`: one for each invariant, open while the last run found it breached."""

from __future__ import annotations

from contracts.fields import DETAIL_MAX
from contracts.operations.v1 import AlertRaised, AlertResolved, ReportVerification, VerificationRefused
from contracts.operations.view import Alert
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from contracts.wire.refusal import Refusing
from workers.alerting.events import raised, resolved
from workers.alerting.model import State, breach_alert

refuse_unreadable_result = Refusing[ReportVerification](VerificationRefused, "by")


def note_verification(state: State, message: Message[ReportVerification]) -> Decision[State]:
    """Open an alert for each breached invariant, and close those of the others. A report that is older than what is
    known about an invariant changes nothing about it.
    """
    after, events = state, list[AlertRaised | AlertResolved]()
    for checked in message.data.invariants:
        key = breach_alert(checked.invariant)
        known = state.alerts.get(key)
        was_open = known is not None and known.state == "open"
        if (known is not None and known.changed_at > message.bounded_time) or not (was_open or checked.breaches):
            continue
        facts = {"invariant": checked.invariant, "breaches": checked.breaches}
        if checked.breaches:
            detail = f"{checked.invariant} is breached {checked.breaches} times; run `tributary verify`."
            if checked.first:
                facts["first"] = checked.first
                detail += f" The first: {checked.first}"
        else:
            detail = f"{checked.invariant} holds."
        times = (known.times if known else 0) + (bool(checked.breaches) and not was_open)
        alert = Alert(
            key,
            "verification_breach",
            "open" if checked.breaches else "resolved",
            detail[:DETAIL_MAX],
            message.bounded_time,
            times,
        )
        after = after.with_alert(alert)
        if checked.breaches and not was_open:
            events.append(raised(alert, facts))
        elif not checked.breaches:
            events.append(resolved(alert, facts))
    return Decision(after, tuple(events), "reported")
