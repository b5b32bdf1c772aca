"""The messages that are consumed, and what each asks for: the accounts that are due, or the data of its markets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TypeGuard

from contracts.calendar import ALWAYS
from contracts.clock.v1 import ClockTicked
from contracts.settlement.v1 import (
    ApproveAdjustment,
    ApproveTerms,
    CloseDue,
    ClosePeriod,
    ProposeAdjustment,
    ProposeTerms,
)
from contracts.settlement.view import Adjustment, Statement, TermsVersion
from contracts.wire.envelope import Message
from workers.settlement.closing import ANY_MARKET
from workers.settlement.movements import MoneyEvent, movements_of
from workers.settlement.payouts import PayoutEvent, accounts_moved, posting_ids

Consumed = (
    MoneyEvent
    | PayoutEvent
    | ClockTicked
    | CloseDue
    | ClosePeriod
    | ProposeTerms
    | ApproveTerms
    | ProposeAdjustment
    | ApproveAdjustment
)

PERIOD_MAX = timedelta(days=50)
"""No period is longer: a month, and half of one where terms change."""


def moves(message: Message[Consumed]) -> TypeGuard[Message[MoneyEvent]]:
    return isinstance(message.data, MoneyEvent)


def ids_booked(message: Message[Consumed]) -> tuple[str, ...]:
    """The ids of the postings that the message may cause."""
    if moves(message):
        return tuple(movement.posting_id for movement in movements_of(message))
    return posting_ids(message.data) if isinstance(message.data, PayoutEvent) else ()


def moved_by(message: Message[Consumed], closed: Mapping[str, Statement]) -> tuple[str, ...]:
    """The accounts that the message moves; those of a payout, if its statement is among these."""
    if moves(message):
        return tuple(movement.account for movement in movements_of(message))
    if isinstance(message.data, PayoutEvent) and (statement := closed.get(message.data.payout_id)):
        return accounts_moved(message.data, statement)
    return ()


def market_due(data: Consumed) -> str | None:
    """The market whose accounts a message closes, as far as they are due."""
    if isinstance(data, ClockTicked):
        return ANY_MARKET
    return data.market if isinstance(data, CloseDue) else None


def asked(message: Message[Consumed]) -> tuple[str, datetime, datetime] | None:
    """The market whose accounts a message closes, those due at which time, and what time it is."""
    data = message.data
    if isinstance(data, ClockTicked):
        return ANY_MARKET, data.at, data.at
    return (data.market, data.due_at, message.time) if isinstance(data, CloseDue) else None


def markets_of_approved(messages: Iterable[Message[Consumed]], terms: Mapping[int, TermsVersion]) -> list[str]:
    """The markets whose terms the messages approve."""
    versions = (message.data.terms_version for message in messages if isinstance(message.data, ApproveTerms))
    return markets_of(terms[version] for version in versions if version in terms)


def markets_of(items: Iterable[Adjustment] | Iterable[TermsVersion] | Iterable[Statement]) -> list[str]:
    return sorted({item.market for item in items})


def ending_after(moments: Iterable[datetime]) -> dict[str, object]:
    """The condition for periods that end after the first of these moments, or are the last before it; none if there are
    none.
    """
    earliest = min(moments, default=None)
    return {} if earliest is None else {"ends_at": {"$gt": max(earliest, ALWAYS + PERIOD_MAX) - PERIOD_MAX}}
