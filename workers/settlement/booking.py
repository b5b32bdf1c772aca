"""Books a movement in the open period of its distributor."""

from __future__ import annotations

from datetime import datetime

from contracts.settlement.v1 import PeriodOpened
from contracts.settlement.view import OTHER_SIDE, Account, Posting, statement_id
from workers.settlement.model import Movement, State
from workers.settlement.periods import place_of, with_open


def book(state: State, movement: Movement, posted_at: datetime) -> tuple[State, Posting, tuple[PeriodOpened, ...]]:
    """The state with the movement's posting, which balances; and the event of its period, if that is new.

    What belongs to a period that is closed for the distributor goes to the open one, and its posting states from which
    period it is.
    """
    account = state.accounts.get(movement.account) or Account(
        movement.account, movement.market, movement.distributor_id, movement.currency
    )
    state, period, late_from, events = place_of(state, account, movement.effective_at)
    posting = Posting(
        posting_id=movement.posting_id,
        statement=statement_id(movement.market, period.period, movement.distributor_id, movement.currency),
        account=account.key,
        distributor_id=movement.distributor_id,
        currency=movement.currency,
        kind=movement.kind,
        effective_at=movement.effective_at,
        posted_at=posted_at,
        legs={"available": movement.amount_minor, OTHER_SIDE[movement.kind]: -movement.amount_minor},
        reference=movement.reference,
        order=movement.order,
        late_from=late_from,
    )
    after = with_open(account, period)
    known = state if after is state.accounts.get(account.key) else state.with_account(after)
    return known.with_posting(posting), posting, events
