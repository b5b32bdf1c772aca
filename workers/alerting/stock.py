"""The rules of alerts about stock: one per crossing; an outdated event changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from contracts.operations.view import Alert
from contracts.stock.v1 import StockExpired, StockExpiring, StockLow, StockRecovered, StockShortageChanged
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from workers.alerting.events import raised, resolved
from workers.alerting.model import State, expired_alert, expiring_alert, oversold_alert, stock_alert


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
    facts = {"product_id": low.product_id, "available": low.available, "low_at": low.low_at}
    return Decision(state.with_alert(alert), (raised(alert, facts, product_id=low.product_id),), "raised")


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
    facts = {"product_id": recovered.product_id, "available": recovered.available}
    return Decision(state.with_alert(alert), (resolved(alert, facts, product_id=recovered.product_id),), "resolved")


def note_shortage(state: State, message: Message[StockShortageChanged]) -> Decision[State]:
    """Open, update or close the alert of a product with more units reserved than in stock."""
    change = message.data
    product_id = change.product_id
    facts = {"product_id": product_id, "on_hand": change.on_hand}
    if not change.shortage:
        detail = f"product {product_id}: all reserved units are in stock again ({change.on_hand} on hand)."
    else:
        facts |= {"shortage": change.shortage, "reserved": change.reserved}
        detail = (
            f"product {product_id}: {change.shortage} units short, {change.reserved} reserved and {change.on_hand} "
            "on hand; the newest unpaid orders are cancelled, order more for the paid ones."
        )
    alert = Alert(
        oversold_alert(product_id),
        "stock_oversold",
        "open" if change.shortage else "resolved",
        detail,
        message.time,
        crossing=change.crossing,
    )
    return _follow(state, alert, facts, product_id)


def note_expiring(state: State, message: Message[StockExpiring]) -> Decision[State]:
    """Open or close the alert of a product with units close to their last day of sale."""
    change = message.data
    facts = {"product_id": change.product_id, "units": change.units, "expires_on": change.expires_on}
    return _follow(
        state,
        Alert(
            expiring_alert(change.product_id),
            "stock_expiring",
            "open" if change.units else "resolved",
            f"product {change.product_id}: the last day of sale of {change.units} units is near, the first is "
            f"{change.expires_on}; sell them first."
            if change.units
            else f"product {change.product_id}: no unit is close to its last day of sale any more.",
            message.time,
            crossing=change.crossing,
        ),
        {name: value for name, value in facts.items() if value is not None},
        change.product_id,
    )


def note_expired(state: State, message: Message[StockExpired]) -> Decision[State]:
    """Open or close the alert of a product with units past their last day of sale."""
    change = message.data
    facts = {"product_id": change.product_id, "units": change.units, "expires_on": change.expires_on}
    return _follow(
        state,
        Alert(
            expired_alert(change.product_id),
            "stock_expired",
            "open" if change.units else "resolved",
            f"product {change.product_id}: {change.units} units are past their last day of sale, the first was "
            f"{change.expires_on}; take them out of the stock by a count."
            if change.units
            else f"product {change.product_id}: no unit on hand is past its last day of sale any more.",
            message.time,
            crossing=change.crossing,
        ),
        {name: value for name, value in facts.items() if value is not None},
        change.product_id,
    )


def _follow(state: State, alert: Alert, facts: Mapping[str, Any], product_id: int) -> Decision[State]:
    """Store the alert, and publish only that it opens or closes. An end that overtakes its beginning is stored."""
    known = state.alerts.get(alert.alert)
    if known is not None and known.crossing >= alert.crossing:
        return Decision(state, outcome="outdated")
    was_open, is_open = known is not None and known.state == "open", alert.state == "open"
    alert = replace(alert, times=(known.times if known else 0) + (is_open and not was_open))
    after = state.with_alert(alert)
    if is_open:
        event = raised(alert, facts, product_id=product_id)
        return Decision(after, () if was_open else (event,), "counted" if was_open else "raised")
    return Decision(after, (resolved(alert, facts, product_id=product_id),) if was_open else (), "resolved")
