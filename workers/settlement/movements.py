"""What an event moves for each distributor, with the natural key of each movement."""

from __future__ import annotations

from collections import Counter

from contracts.commissions.v1 import CommissionReleased, CommissionReversed
from contracts.money import to_minor
from contracts.rewards.ids import reward_id
from contracts.rewards.v1 import RewardAdjusted, RewardReleased, RewardRevoked
from contracts.rewards.v2 import RewardGranted
from contracts.rules.view import DEFAULT_MARKET
from contracts.settlement.kinds import PostingKind
from contracts.wire.envelope import Message
from workers.settlement.model import Movement

RewardEvent = RewardGranted | RewardAdjusted | RewardReleased | RewardRevoked
MoneyEvent = CommissionReleased | CommissionReversed | RewardEvent


def movements_of(message: Message[MoneyEvent]) -> tuple[Movement, ...]:
    """The movements of an event, none of nothing. A reversal of held commissions moves nothing here, nor does
    what happens to a reward that is held first, before its release.

    A commission is released once, and a refund reverses it once: their keys are natural. A reward may be granted, taken
    back and granted again: its keys have the event's id.
    """
    data = message.data
    if isinstance(data, CommissionReleased):
        return _released(data)
    if isinstance(data, CommissionReversed):
        return _reversed(data, message)
    return _reward(data, message)


def _released(data: CommissionReleased) -> tuple[Movement, ...]:
    return tuple(
        Movement(
            posting_id=f"{data.key}/release/{share.distributor_id}",
            kind="release",
            market=data.market or DEFAULT_MARKET,
            distributor_id=share.distributor_id,
            currency=data.currency,
            amount_minor=amount,
            effective_at=data.released_at,
            reference=data.order_id,
            order=data.key,
        )
        for share in data.shares
        if (amount := to_minor(share.amount, data.currency))
    )


def _reversed(data: CommissionReversed, message: Message[MoneyEvent]) -> tuple[Movement, ...]:
    if data.account == "held":
        return ()
    sums: Counter[int] = Counter()
    for entry in data.entries:
        sums[entry.distributor_id] += to_minor(entry.amount, data.currency)
    return tuple(
        Movement(
            posting_id=f"{data.key}/reversal/{data.reference}/{distributor_id}",
            kind="reversal",
            market=data.market or DEFAULT_MARKET,
            distributor_id=distributor_id,
            currency=data.currency,
            amount_minor=amount,
            effective_at=message.time,
            reference=data.reference,
            order=data.key,
        )
        for distributor_id, amount in sorted(sums.items())
        if amount
    )


def _reward(data: RewardEvent, message: Message[MoneyEvent]) -> tuple[Movement, ...]:
    if isinstance(data, RewardGranted | RewardAdjusted) and data.held_first:
        return ()
    if isinstance(data, RewardGranted):
        reference, amount = data.reward_id, to_minor(data.amount, data.currency)
    elif isinstance(data, RewardAdjusted | RewardReleased):
        reference = data.reward_id
        amount = to_minor(data.amount, data.currency) - to_minor(data.was, data.currency)
    else:
        reference = reward_id(data.reward, data.distributor_id, data.month, data.currency, data.market)
        amount = -to_minor(data.bonus, data.currency)
    kind: PostingKind = "reward" if amount > 0 else "reward_back"
    movement = Movement(
        posting_id=f"{reference}/{message.id}",
        kind=kind,
        market=data.market or DEFAULT_MARKET,
        distributor_id=data.distributor_id,
        currency=data.currency,
        amount_minor=amount,
        effective_at=message.time,
        reference=reference,
    )
    return (movement,) if amount else ()
