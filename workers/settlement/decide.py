"""The hand-over: what commissions and rewards announce is booked, once, in the period in which it became due."""

from __future__ import annotations

from contracts.commissions.v1 import CommissionReleased, CommissionReversed
from contracts.rewards.v1 import RewardAdjusted, RewardReleased, RewardRevoked
from contracts.rewards.v2 import RewardGranted
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message, Payload
from workers.settlement.booking import book
from workers.settlement.model import Result, State
from workers.settlement.movements import MoneyEvent, movements_of


def book_release(state: State, message: Message[CommissionReleased]) -> Result:
    """What an order's commissions released becomes available, in the period in which their hold ended."""
    return _book(state, message)


def book_reversal(state: State, message: Message[CommissionReversed]) -> Result:
    """What a refund takes back of released commissions; a balance may become negative. Sums commute, so a reversal that
    overtakes its release is right in the end.
    """
    if message.data.account == "held":
        return Decision(state, outcome="held_only")
    return _book(state, message)


def book_reward(state: State, message: Message[RewardGranted]) -> Result:
    """A reward granted by an earlier release is available at once. Others are held until their release."""
    return _book(state, message)


def release_reward(state: State, message: Message[RewardReleased]) -> Result:
    """The difference between what of a reward is available now and what was."""
    return _book(state, message)


def adjust_reward(state: State, message: Message[RewardAdjusted]) -> Result:
    """The difference between what a reward is worth now and what it was worth, if it was available at once."""
    return _book(state, message)


def take_back_reward(state: State, message: Message[RewardRevoked]) -> Result:
    """An earlier release took a reward back."""
    return _book(state, message)


def _book(state: State, message: Message[MoneyEvent]) -> Result:
    """Movements that are in the ledger already are not booked again, even after the journal forgot their message."""
    movements = movements_of(message)
    missing = [movement for movement in movements if movement.posting_id not in state.booked]
    if not missing:
        return Decision(state, outcome="duplicate" if movements else "nothing_moved")
    events: list[Payload] = []
    for movement in missing:
        state, _, opened = book(state, movement, message.time)
        events += opened
    return Decision(state, tuple(events), "booked")
