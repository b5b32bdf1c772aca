"""Closes the slices of accounts: a statement for each, with the next number of its market."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from contracts.calendar import ALWAYS
from contracts.clock.v1 import ClockTicked
from contracts.money import to_amount
from contracts.settlement import v1
from contracts.settlement.arithmetic import Closing, statement_of, tax_month_after
from contracts.settlement.v1 import CloseDue, ClosePeriod, CloseRefused, StatementClosed
from contracts.settlement.view import (
    Account,
    Figures,
    OpenPeriod,
    Period,
    Posting,
    Statement,
    Withheld,
    period_key,
    statement_id,
)
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message, Payload
from contracts.wire.refusal import Refusing
from workers.settlement.model import Result, State
from workers.settlement.periods import current_part, opened, with_open

ANY_MARKET = "*"

refuse_unreadable = Refusing[ClosePeriod](CloseRefused, "market")


class Closed(NamedTuple):
    """An account after its close, with the statement and its posting, if something is payable."""

    account: Account
    statement: Statement
    posting: Posting | None


def close_on_tick(state: State, message: Message[ClockTicked]) -> Result:
    """Close what is due, some accounts at a time; `settlement.close-due` goes on with the rest at once."""
    return _close_due(state, Closing(message.data.at), message.data.at, ANY_MARKET)


def close_due(state: State, message: Message[CloseDue]) -> Result:
    """Close the next accounts that are due, and ask for another turn while more are. A period that is not over stays
    open: after a change of terms it may close before the named one, whose grace is longer.
    """
    data = message.data
    return _close_due(state, Closing(message.time, data.by, data.os_user), data.due_at, data.market)


def close_by_hand(state: State, message: Message[ClosePeriod]) -> Result:
    """Close a period that is over without waiting for its grace, or one distributor's at any time."""
    data, now = message.data, message.received_at
    period = state.periods.get(period_key(data.market, data.period.partition(".")[0]))
    if period is None:
        detail = f"period: market {data.market} has nothing in a period {data.period}; preview what is open."
        return _refuse(state, data.market, "unknown_period", detail)
    if data.distributor_id is not None:
        return _close_distributor(state, message, data.distributor_id, period)
    if data.final:
        detail = "final: it is for one distributor, who leaves; name them with distributor_id, or leave final out."
        return _refuse(state, data.market, "final_of_all", detail)
    if now < period.ends_at:
        return _refuse(state, data.market, "period_not_over", _not_over(period, now))
    event = CloseDue(market=data.market, due_at=period.closes_at, by=data.by, os_user=data.os_user)
    return Decision(state, (event,), "closing")


def _close_due(state: State, closing: Closing, due_at: datetime, market: str) -> Result:
    done: list[Closed] = []
    numbers = {name: series.last for name, series in state.series.items()}
    for key in state.due:
        account = state.accounts[key]
        while account.open and _is_due(account.open[0], due_at, closing):
            number = numbers[account.market] = numbers.get(account.market, 0) + 1
            done.append(close(state, account, account.open[0], closing, number=number))
            account = done[-1].account
    if not done:
        return Decision(state, outcome="nothing_due")
    events: list[Payload] = [closed_message(state, closed.statement) for closed in done]
    if state.more_due:
        events.append(CloseDue(market=market, due_at=due_at, by=closing.by, os_user=closing.os_user))
    return Decision(_after(state, done), tuple(events), "closed")


def _is_due(period: OpenPeriod, due_at: datetime, closing: Closing) -> bool:
    return period.closes_at <= due_at and period.ends_at <= closing.at


def _close_distributor(state: State, message: Message[ClosePeriod], distributor_id: int, named: Period) -> Result:
    """Close everything of one distributor up to the named period, oldest first; a running period is divided. One that
    has not begun by our clock, as another clock is ahead of it, stays open.
    """
    data, before = message.data, state
    closing = Closing(message.received_at, data.by, data.os_user, data.final)
    number = state.last_number(data.market)
    done: list[Closed] = []
    events: list[Payload] = []
    for known in [*state.accounts.values()]:
        state, account, opening = _with_carried(state, known, closing)
        events += opening
        for period in account.open:
            if period.starts_at < min(named.ends_at, closing.at):
                number += 1
                done.append(close(state, account, period, closing, number=number))
                account = done[-1].account
    if not done:
        detail = (
            f"distributor_id: distributor {distributor_id} has nothing to close in market {data.market} up to period "
            f"{named.period}; see the last statement."
        )
        return _refuse(before, data.market, "nothing_to_close", detail)
    events += [closed_message(state, closed.statement) for closed in done]
    return Decision(_after(state, done), tuple(events), "closed")


def _with_carried(
    state: State, account: Account, closing: Closing
) -> tuple[State, Account, tuple[v1.PeriodOpened, ...]]:
    """The account with the current period open, if it has no postings but would get what it carries."""
    if account.open or account.carried_minor <= 0 or closing.at <= (account.closed_to or ALWAYS):
        return state, account, ()
    after, place, events = opened(state, account.market, closing.at)
    current = current_part(place, account)
    terms = after.terms_of(current.terms_version)
    if statement_of(account, current, Figures(), terms, closing, number=0).outcome != "payable":
        return state, account, ()
    return after, with_open(account, current), events


def close(state: State, account: Account, period: OpenPeriod, closing: Closing, *, number: int) -> Closed:
    """Close the first open period of an account. One that is not over ends now, and its next part begins."""
    slice_ = statement_id(account.market, period.period, account.distributor_id, account.currency)
    is_early = closing.at < period.ends_at
    covered = replace(period, ends_at=closing.at) if is_early else period
    figures = state.figures.get(slice_, Figures())
    statement = statement_of(account, covered, figures, state.terms_of(period.terms_version), closing, number=number)
    left = account.open[1:]
    is_negative = statement.carried_minor < 0
    after = replace(
        account,
        open=left,
        close_at=left[0].closes_at if left else None,
        closed_to=covered.ends_at,
        part=period.part if is_early else 0,
        carried_minor=statement.carried_minor,
        payable_minor=account.payable_minor + statement.payable_minor,
        tax=tax_month_after(statement, account),
        negative_since=(account.negative_since or closing.at) if is_negative else None,
        last_statement=statement.statement_id,
    )
    return Closed(after, statement, _posting(statement) if statement.outcome == "payable" else None)


def closed_message(state: State, statement: Statement) -> StatementClosed:
    """The statement in the form of its event."""

    def amount(minor: int) -> Decimal:
        return to_amount(minor, statement.currency)

    return StatementClosed(
        statement_id=statement.statement_id,
        number=statement.number,
        market=statement.market,
        distributor_id=statement.distributor_id,
        currency=statement.currency,
        period=statement.period,
        starts_at=statement.starts_at,
        ends_at=statement.ends_at,
        zone=statement.zone,
        terms_version=statement.terms_version,
        opening=amount(statement.opening_minor),
        released=amount(statement.released_minor),
        reversed=amount(statement.reversed_minor),
        rewards=amount(statement.rewards_minor),
        adjustments=amount(statement.adjustments_minor),
        written_off=amount(statement.written_off_minor),
        returned=amount(statement.returned_minor),
        late=amount(statement.late_minor),
        gross=amount(statement.gross_minor),
        withheld=amount(statement.withheld_minor),
        withholding=_withholding(statement.withheld, statement.currency) if statement.withheld else None,
        fees=amount(statement.fees_minor),
        payable=amount(statement.payable_minor),
        carried=amount(statement.carried_minor),
        minimum=amount(statement.minimum_minor),
        outcome=statement.outcome,
        posting_count=statement.posting_count,
        approvals=state.terms_of(statement.terms_version).approvals,
        final=statement.is_final,
        by=statement.by,
        os_user=statement.os_user,
    )


def _withholding(withheld: Withheld, currency: str) -> v1.Withheld:
    return v1.Withheld(
        rule=withheld.rule,
        version=withheld.version,
        month=withheld.month,
        base=to_amount(withheld.base_minor, currency),
        month_gross=to_amount(withheld.month_gross_minor, currency),
        month_withheld=to_amount(withheld.month_withheld_minor, currency),
        amount=to_amount(withheld.amount_minor, currency),
    )


def _posting(statement: Statement) -> Posting:
    """What is payable leaves the available amount."""
    legs = {
        "available": -statement.gross_minor,
        "payable": statement.payable_minor,
        "tax": statement.withheld_minor,
        "fees": statement.fees_minor,
    }
    return Posting(
        posting_id=f"{statement.statement_id}/close",
        statement=statement.statement_id,
        account=statement.account,
        distributor_id=statement.distributor_id,
        currency=statement.currency,
        kind="close",
        effective_at=statement.closed_at,
        posted_at=statement.closed_at,
        legs={name: minor for name, minor in legs.items() if minor},
        reference=statement.statement_id,
    )


def _after(state: State, done: Iterable[Closed]) -> State:
    done = tuple(done)
    return state.with_closed(
        (closed.account for closed in done),
        (closed.statement for closed in done),
        (closed.posting for closed in done if closed.posting is not None),
    )


def _not_over(period: Period, now: datetime) -> str:
    left = period.ends_at - now
    hours, minutes = divmod(int(left.total_seconds()) // 60, 60)
    return (
        f"period: {period.period} of market {period.market} ends at {period.ends_at.isoformat()}, in {hours} h "
        f"{minutes} min; close it then, or close one distributor with distributor_id."
    )


def _refuse(state: State, market: str, reason: str, detail: str) -> Decision[State]:
    return Decision(state, (CloseRefused(market=market, reason=reason, detail=detail),), "refused")
