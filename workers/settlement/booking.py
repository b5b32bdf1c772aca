"""Books a movement in the open period of its distributor."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from contracts.settlement.v1 import PeriodOpened
from contracts.settlement.view import PAYOUTS, Account, Posting, statement_id
from workers.settlement.model import Movement, State
from workers.settlement.periods import place_of, with_open


def book(state: State, movement: Movement, posted_at: datetime) -> tuple[State, Posting, tuple[PeriodOpened, ...]]:
    """The state with the movement's posting, which balances; and the event of its period, if that is new.

    What belongs to a period that is closed for the distributor goes to the open one, and its posting states from which
    period it is. A movement that makes nothing available is on no statement, and belongs to no period.
    """
    account = state.accounts.get(movement.account) or Account(
        movement.account, movement.market, movement.distributor_id, movement.currency
    )
    period, late_from, events = PAYOUTS, None, tuple[PeriodOpened, ...]()
    after, legs = account, movement.legs
    assert not sum(legs.values()), f"posting {movement.posting_id} does not balance: {legs}"
    if movement.amount_minor:
        state, place, late_from, events = place_of(state, account, movement.effective_at)
        period, after = place.period, with_open(account, place)
    posting = Posting(
        posting_id=movement.posting_id,
        statement=statement_id(movement.market, period, movement.distributor_id, movement.currency),
        account=account.key,
        distributor_id=movement.distributor_id,
        currency=movement.currency,
        kind=movement.kind,
        effective_at=movement.effective_at,
        posted_at=posted_at,
        legs=legs,
        reference=movement.reference,
        order=movement.order,
        late_from=late_from,
        follows=movement.follows,
    )
    after = _with_payout(after, legs)
    known = state if after is state.accounts.get(account.key) else state.with_account(after)
    return known.with_posting(posting), posting, events


def _with_payout(account: Account, legs: dict[str, int]) -> Account:
    """The account after these legs, as far as they are of payouts."""
    payable, in_payout, paid = (legs.get(name, 0) for name in ("payable", "in_payout", "paid"))
    if not payable and not in_payout and not paid:
        return account
    return replace(
        account,
        payable_minor=account.payable_minor + payable,
        in_payout_minor=account.in_payout_minor + in_payout,
        paid_minor=account.paid_minor + paid,
    )
