"""What was released and granted before settlement ran, as the events that settlement books.

Each has the natural key of its posting, so what is booked already is not booked again, however often this is repeated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from contracts.commissions.v1 import CommissionReleased, CommissionReversed, ReversedEntry, Share
from contracts.commissions.view import COMMISSIONS, Commission, Reversal
from contracts.money import to_amount
from contracts.rewards.ids import reward_id
from contracts.rewards.v2 import RewardGranted
from contracts.rewards.view import PROGRESS, Progress
from contracts.rules.view import DEFAULT_MARKET, RULES, RuleSet
from contracts.settlement.view import LEDGER
from contracts.wire.envelope import Event, Message, derived_id, message_of
from infra.auditing.audit import Read
from infra.runtime.repository import Codec

SOURCE = "hand-over"

_commissions = Codec(Commission, key="key")
_progress = Codec(Progress, key="key")
_rules = Codec(RuleSet, key="rule_version")


async def handed_over(read: Read) -> AsyncIterator[Message[Any]]:
    """The events of every released commission, and of every available reward that no posting names."""
    async for document in read.stream(COMMISSIONS, {"status": "released"}):
        for message in of_commission(_commissions.to_entity(document)):
            yield message
    rewards = read.stream(LEDGER, {"kind": "reward"}, fields=("reference",))
    booked = {document["reference"] async for document in rewards}
    rules = _rules.by_key(await read.find(RULES, {}))
    async for document in read.stream(PROGRESS, {}):
        for message in of_rewards(_progress.to_entity(document), rules):
            if message.data.reward_id not in booked:
                yield message


def of_commission(commission: Commission) -> Iterator[Message[Any]]:
    """The release of a commission as it was at that time, and the reversals since."""
    assert commission.released_at is not None, "a released commission has its time"
    shop_id, order_id = commission.shop_and_order
    currency = commission.currency
    market = None if commission.market == DEFAULT_MARKET else commission.market
    shares = _shares(commission, (one for one in commission.reversals if one.account == "held"))
    total = sum(shares.values())
    released = CommissionReleased(
        shop_id=shop_id,
        order_id=order_id,
        currency=currency,
        total=to_amount(total, currency),
        shares=tuple(
            Share(distributor_id=earner, amount=to_amount(amount, currency)) for earner, amount in shares.items()
        ),
        released_at=commission.released_at,
        market=market,
    )
    yield _message(released, commission.released_at, commission.key)
    for reversal in commission.reversals:
        if reversal.account != "available":
            continue
        taken = zip(commission.entries, reversal.amounts_minor, strict=True)
        reversed_ = CommissionReversed(
            shop_id=shop_id,
            order_id=order_id,
            currency=currency,
            reference=reversal.reference,
            account=reversal.account,
            total=to_amount(sum(reversal.amounts_minor), currency),
            entries=tuple(
                ReversedEntry(
                    line=entry.line,
                    plan=entry.plan,
                    level=entry.level,
                    distributor_id=entry.distributor_id,
                    amount=to_amount(amount, currency),
                )
                for entry, amount in taken
                if amount
            ),
            reason=reversal.reason,
            market=market,
        )
        yield _message(reversed_, reversal.at, f"{commission.key}/{reversal.reference}")


def of_rewards(progress: Progress, rules: Mapping[int, RuleSet]) -> Iterator[Message[RewardGranted]]:
    """The available rewards of a month; those granted by earlier releases are worth the bonus of their rules."""
    known = rules.get(progress.rule_version)
    targets = {one.reward: one for one in known.terms.targets if one.currency == progress.currency} if known else {}
    market = None if progress.market == DEFAULT_MARKET else progress.market
    for reward in progress.granted:
        if reward not in targets or reward in progress.held or progress.placed_at is None:
            continue
        target, currency = targets[reward], progress.currency
        name = reward_id(reward, progress.distributor_id, progress.month, currency, market)
        granted = RewardGranted(
            reward_id=name,
            distributor_id=progress.distributor_id,
            month=progress.month,
            currency=currency,
            market=market,
            kind="sales_target",
            reward=reward,
            amount=to_amount(progress.amounts_minor.get(reward, target.bonus_minor), currency),
            target=to_amount(target.target_minor, currency),
            sales=to_amount(progress.sales_minor, currency),
            rule_version=progress.rule_version,
        )
        yield _message(granted, progress.placed_at, name)


def _shares(commission: Commission, reversals: Iterable[Reversal]) -> dict[int, int]:
    """What each distributor's entries were worth after these reversals; zeros are left out."""
    shares: Counter[int] = Counter()
    for entry in commission.entries:
        shares[entry.distributor_id] += entry.amount_minor
    for reversal in reversals:
        for entry, amount in zip(commission.entries, reversal.amounts_minor, strict=True):
            shares[entry.distributor_id] += amount
    return {earner: amount for earner, amount in sorted(shares.items()) if amount}


def _message(event: Event, time: datetime, key: str) -> Message[Any]:
    return message_of(type(event))(
        id=derived_id(SOURCE, event.message_type, key),
        source=SOURCE,
        type=event.message_type,
        time=time,
        subject=event.about(),
        data=event,
    )
