"""In which period a movement belongs. Periods are stored as instants when their first movement arrives."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from contracts.calendar import ALWAYS, Since, Span, span_at
from contracts.settlement.v1 import PeriodOpened
from contracts.settlement.view import DEFAULT_TERMS, Account, OpenPeriod, Period, Terms, period_key
from contracts.times import plus
from workers.settlement.model import State

INSTANT = timedelta(milliseconds=1)


class Place(NamedTuple):
    """Where a movement is booked: the state with its period, the part of it, and the period that was closed already."""

    state: State
    period: OpenPeriod
    late_from: str | None
    events: tuple[PeriodOpened, ...]


def place_of(state: State, account: Account, effective_at: datetime) -> Place:
    """The open period of an account for a movement. What is before `closed_to` goes to the period that contains it."""
    closed_to = account.closed_to
    is_late = closed_to is not None and effective_at < closed_to
    moment = closed_to if closed_to is not None and is_late else effective_at
    state, period, events = opened(state, account.market, moment)
    current = current_part(period, account)
    late_from = _closed_period(state, account, effective_at) if is_late else None
    return Place(state, current, late_from, events)


def opened(state: State, market: str, moment: datetime) -> tuple[State, Period, tuple[PeriodOpened, ...]]:
    """The period of a market at `moment`, which is opened if it is not stored."""
    stored = _stored(state, market, moment)
    if stored is not None:
        return state, stored, ()
    span = _span(state, market, moment)
    version, terms = terms_at(state, market, moment)
    period = Period(
        key=period_key(market, span.name),
        market=market,
        period=span.name,
        starts_at=span.starts_at,
        ends_at=span.ends_at,
        closes_at=plus(span.ends_at, timedelta(hours=terms.grace_hours)),
        zone=terms.zone,
        terms_version=version,
    )
    event = PeriodOpened(
        market=market,
        period=period.period,
        zone=period.zone,
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        closes_at=period.closes_at,
        terms_version=version,
    )
    return state.with_period(period), period, (event,)


def _span(state: State, market: str, moment: datetime) -> Span:
    """The period that contains `moment`, beside the stored ones. A zone's rules may have changed since these were
    stored; their names and instants hold, and the new one begins and ends where they end and begin.
    """
    known = schedules(state, market)

    def stored(name: str) -> Period | None:
        return state.periods.get(period_key(market, name))

    span = span_at(moment, known)
    if (same := stored(span.name)) is not None:
        span = span_at(span.ends_at if same.ends_at <= moment else span.starts_at - INSTANT, known)
    before, after = stored(span_at(span.starts_at - INSTANT, known).name), stored(span_at(span.ends_at, known).name)
    neighbours = [period for period in state.periods.values() if period.market == market]
    ended = [period.ends_at for period in neighbours if period.ends_at <= moment]
    coming = [period.starts_at for period in neighbours if period.starts_at > moment]
    return Span(
        span.name,
        before.ends_at if before is not None else max([span.starts_at, *ended]),
        after.starts_at if after is not None else min([span.ends_at, *coming]),
    )


def schedules(state: State, market: str) -> list[Since]:
    """The schedules of a market by time; the first one holds always."""
    approved = [(terms.since, terms.terms.schedule) for terms in state.approved_in(market) if terms.since is not None]
    return [(ALWAYS, DEFAULT_TERMS.schedule), *approved]


def terms_at(state: State, market: str, moment: datetime) -> tuple[int, Terms]:
    """The terms that hold at `moment`, with their version."""
    holding = [terms for terms in state.approved_in(market) if terms.since is not None and terms.since <= moment]
    return (holding[-1].terms_version, holding[-1].terms) if holding else (0, DEFAULT_TERMS)


def with_open(account: Account, period: OpenPeriod) -> Account:
    """The account with postings in this period."""
    if any(known.period == period.period for known in account.open):
        return account
    periods = tuple(sorted((*account.open, period), key=lambda known: known.starts_at))
    return replace(account, open=periods, close_at=periods[0].closes_at)


def current_part(period: Period, account: Account) -> OpenPeriod:
    """The part of a period that is not closed for this account."""
    whole = OpenPeriod(
        period.period, period.starts_at, period.ends_at, period.closes_at, period.zone, period.terms_version
    )
    closed_to = account.closed_to
    if closed_to is None or not period.starts_at < closed_to < period.ends_at:
        return whole
    part = account.part + 1
    return replace(whole, period=_part_name(period.period, part), starts_at=closed_to, part=part)


def _closed_period(state: State, account: Account, moment: datetime) -> str:
    """The name of the closed period, or of its last closed part, to which `moment` belongs."""
    stored = _stored(state, account.market, moment)
    span = (
        Span(stored.period, stored.starts_at, stored.ends_at)
        if stored
        else span_at(moment, schedules(state, account.market))
    )
    is_divided = account.closed_to is not None and account.closed_to < span.ends_at
    return _part_name(span.name, account.part) if is_divided else span.name


def _part_name(period: str, part: int) -> str:
    return period if part == 1 else f"{period}.{part}"


def _stored(state: State, market: str, moment: datetime) -> Period | None:
    for period in state.periods.values():
        if period.market == market and period.starts_at <= moment < period.ends_at:
            return period
    return None
