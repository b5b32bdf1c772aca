"""What was released and granted before settlement ran, as the events that settlement books.

An event of a commission has the natural key of its posting. An event of a reward books what is due less what is booked,
and its id counts the postings that it follows. So nothing is booked twice, however often this is repeated, as long as
no event of a reward is under way: an event of `reward_checks` that is booked later would count twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.commissions.v1 import CommissionReleased, CommissionReversed, ReversedEntry, Share
from contracts.commissions.view import COMMISSIONS, Commission, Reversal
from contracts.fields import AMOUNT_MINOR_MAX
from contracts.money import to_amount
from contracts.rewards.ids import reward_id
from contracts.rewards.v1 import RewardReleased
from contracts.rewards.view import PROGRESS, Progress
from contracts.rules.view import DEFAULT_MARKET, RULES, RuleSet
from contracts.settlement.view import LEDGER
from contracts.wire.envelope import Event, Message, derived_id, message_of
from infra.auditing.audit import Read, together
from infra.runtime.repository import Codec

SOURCE = "hand-over"

_MONTHS_AT_ONCE = 200

_commissions = Codec(Commission, key="key")
_progress = Codec(Progress, key="key")
_rules = Codec(RuleSet, key="rule_version")


@dataclass(frozen=True, slots=True)
class Booked:
    """What settlement booked of a reward, and by how many postings."""

    minor: int = 0
    postings: int = 0


async def handed_over(read: Read) -> AsyncIterator[Message[Any]]:
    """The events of every released commission, and of every reward whose booked sum is below what is due."""
    async for document in read.stream(COMMISSIONS, {"status": "released"}):
        for message in of_commission(_commissions.to_entity(document)):
            yield message
    rules = _rules.by_key(await read.find(RULES, {}))
    async for documents in together(read.stream(PROGRESS, {}), _MONTHS_AT_ONCE):
        months = [_progress.to_entity(document) for document in documents]
        names = [name for progress in months for name in rewards_of(progress, rules).values()]
        booked = dict(zip(names, await asyncio.gather(*(_booked(read, name) for name in names)), strict=True))
        for progress in months:
            for message in of_rewards(progress, rules, booked):
                yield message


def of_commission(commission: Commission) -> Iterator[Message[Any]]:
    """The release of a commission as it was at that time, and the reversals since."""
    assert commission.released_at is not None, "a released commission has its time"
    shop_id, order_id = commission.shop_and_order
    currency = commission.currency
    market = _market(commission.market)
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


def rewards_of(progress: Progress, rules: Mapping[int, RuleSet]) -> dict[str, str]:
    """The ids of every reward that the month has or may have had, by its name in the rules."""
    targets = (target for known in rules.values() for target in known.terms.targets)
    names = {target.reward for target in targets if target.currency == progress.currency} | {*progress.granted}
    market = _market(progress.market)
    return {
        name: reward_id(name, progress.distributor_id, progress.month, progress.currency, market)
        for name in sorted(names)
    }


def of_rewards(
    progress: Progress, rules: Mapping[int, RuleSet], booked: Mapping[str, Booked]
) -> Iterator[Message[RewardReleased]]:
    """What of a month's rewards is available and not booked; those granted by earlier releases are worth the bonus of
    their rules. Where a grant is missing and its end is booked, the booked sum is negative, and nothing is due.
    """
    if progress.placed_at is None:
        return
    currency, known = progress.currency, rules.get(progress.rule_version)
    targets = known.terms.targets if known else ()
    bonuses = {target.reward: target.bonus_minor for target in targets if target.currency == currency}
    worth = {name: progress.amounts_minor.get(name, bonuses.get(name, 0)) for name in progress.granted}
    for name, key in rewards_of(progress, rules).items():
        before = booked[key]
        was_minor = max(before.minor, 0)
        due_minor = 0 if name in progress.held else worth.get(name, 0)
        amount_minor = due_minor - before.minor + was_minor
        if amount_minor <= was_minor:
            continue
        released = RewardReleased(
            reward_id=key,
            distributor_id=progress.distributor_id,
            month=progress.month,
            currency=currency,
            market=_market(progress.market),
            reward=name,
            amount=to_amount(amount_minor, currency),
            was=to_amount(was_minor, currency),
            sales=to_amount(min(progress.sales_minor - progress.held_minor, AMOUNT_MINOR_MAX[currency]), currency),
            rule_version=progress.rule_version,
        )
        yield _message(released, progress.placed_at, f"{key}/{before.postings}")


async def _booked(read: Read, reward: str) -> Booked:
    """The ids of a reward's postings begin with its own; "0" is the character after "/"."""
    where = {"_id": {"$gt": f"{reward}/", "$lt": f"{reward}0"}, "reference": reward}
    postings = await read.find(LEDGER, where, fields=("legs",))
    return Booked(sum(posting["legs"]["available"] for posting in postings), len(postings))


def _market(name: str) -> str | None:
    """As events name it."""
    return None if name == DEFAULT_MARKET else name


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
