"""Bugs of settlement, injected to prove that a run finds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from unittest.mock import patch

from contracts.settlement.view import Account, OpenPeriod
from contracts.wire.envelope import Message
from infra.ports.store import Increment
from workers.settlement.model import Movement
from workers.settlement.movements import movements_of
from workers.settlement.periods import place_of as place_in_period
from workers.settlement.periods import with_open
from workers.settlement.repository import _increments as increments


@contextmanager
def closes_without_the_stripes() -> Iterator[None]:
    """A close writes the sums that it changes, and no others."""

    def only_changed(postings: Sequence[Any], statements: Sequence[Any]) -> Iterable[Increment]:
        found = increments(postings, statements)
        return [one for one in found if one.amounts.keys() != {"closed"} or one.id.endswith("/0")]

    with patch("workers.settlement.repository._increments", only_changed):
        yield


@contextmanager
def rewards_booked_twice() -> Iterator[None]:
    def twice(message: Message[Any]) -> tuple[Movement, ...]:
        found = movements_of(message)
        return found + tuple(replace(one, posting_id=f"{one.posting_id}/2") for one in found if one.kind == "reward")

    with patch("workers.settlement.decide.movements_of", twice):
        yield


@contextmanager
def rewards_without_a_hold() -> Iterator[None]:
    with patch("workers.reward_checks.decide._is_available", return_value=True):
        yield


@contextmanager
def late_movements_in_closed_periods() -> Iterator[None]:
    def by_its_time_alone(state: Any, account: Account, effective_at: datetime) -> Any:
        return place_in_period(state, replace(account, closed_to=None), effective_at)

    def not_again(account: Account, period: OpenPeriod) -> Account:
        return account if account.closed_to and period.starts_at < account.closed_to else with_open(account, period)

    with (
        patch("workers.settlement.booking.place_of", by_its_time_alone),
        patch("workers.settlement.booking.with_open", not_again),
    ):
        yield


@contextmanager
def tax_of_each_statement_alone() -> Iterator[None]:
    """The tax month is not counted on, so what was withheld before is not taken off."""
    with patch("workers.settlement.closing.tax_month_after", lambda statement, account: account.tax):
        yield
