"""The rules of rewards. What an order adds depends on all its events, never on their order of arrival.

A reward is granted when the month's sales reach its target, and available when those do whose commissions are released.
So it is never available before the commissions of the sales that earned it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from contracts.calendar import local_date
from contracts.commissions.earnings import month_of
from contracts.commissions.v1 import CommissionReleased
from contracts.fields import AMOUNT_MINOR_MAX
from contracts.money import to_amount, to_minor
from contracts.orders.v1 import OrderCancelled, OrderPaid, OrderRefunded
from contracts.rewards.ids import reward_id
from contracts.rewards.v1 import RewardAdjusted, RewardReleased
from contracts.rewards.v2 import RewardGranted
from contracts.rules.view import DEFAULT_MARKET, SalesTarget
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Message, Payload
from workers.reward_checks.model import SALES_MINOR_MAX, Progress, Sale, State, progress_key

Answer = Decision[State] | NotYet[State]


def count_sale(state: State, message: Message[OrderPaid]) -> Answer:
    """Add the order's net to the seller's month; reaching a target grants its reward, once. It is held until the
    commissions of enough sales are released.

    Refunds that arrived before the payment are subtracted. A month that would exceed `SALES_MINOR_MAX` stays as it is:
    46,000 orders of the largest size are no sales of a shop.
    """
    order = message.data
    rules = state.rules.get(order.rule_version)
    if rules is None:
        return NotYet("rules_unknown")
    market, placed_on = rules.terms.market, local_date(order.placed_at, rules.terms.zone)
    key = progress_key(order.distributor_id, placed_on, order.currency, market)
    known = state.sales.get(order.key)
    if known is not None and (known.counted or known.too_large):
        return Decision(state, outcome="duplicate")
    sale = replace(
        known or Sale(order.key, key, 0),
        month=key,
        net_minor=sum(to_minor(line.net, order.currency) for line in order.lines),
        released=known is not None and known.released is True,
    )
    before = state.progress.get(key) or Progress(
        key, order.distributor_id, month_of(placed_on), order.currency, market=market
    )
    after, paid = before.with_order(order, state.rules), replace(sale, counted=True)
    if before.sales_minor + paid.worth_minor > SALES_MINOR_MAX:
        refused = replace(sale, too_large=True)
        return Decision(state.with_sale(refused), outcome="sales_too_large")
    return _update_month(state, before, after, sale, paid)


def take_back_refund(state: State, message: Message[OrderRefunded]) -> Answer:
    """Subtract the refund from the month the order was placed in; a target missed now takes its reward back."""
    order = message.data
    return _take_back(state, order, to_minor(order.refunded_total, order.currency))


def take_back_sale(state: State, message: Message[OrderCancelled]) -> Answer:
    """Subtract all that is left of a cancelled order, as for a refund."""
    order = message.data
    if not order.was_paid:
        return Decision(state, outcome="never_counted")
    return _take_back(state, order, to_minor(order.net_total, order.currency))


def release_sale(state: State, message: Message[CommissionReleased]) -> Answer:
    """The hold of the order's commission has ended: its sale counts for what is available. A release that precedes the
    payment is noted.
    """
    key = message.data.key
    sale = state.sales.get(key) or Sale(key, "", 0)
    if sale.released:
        return Decision(state, outcome="duplicate")
    after = replace(sale, released=True)
    if not sale.counted:
        return Decision(state.with_sale(after), outcome="noted")
    before = state.progress[sale.month]
    return _update_month(state, before, before, sale, after)


def _take_back(state: State, order: OrderCancelled | OrderRefunded, total_minor: int) -> Answer:
    """`total_minor` is the sum of all refunds; one that is not above the known sum is outdated."""
    month = progress_key(order.distributor_id, order.placed_at, order.currency, DEFAULT_MARKET)
    sale = state.sales.get(order.key) or Sale(order.key, month, to_minor(order.net_total, order.currency))
    if total_minor <= sale.taken_back_minor:
        return Decision(state, outcome="nothing_new")
    after = replace(sale, taken_back_minor=total_minor)
    if not sale.counted:
        return Decision(state.with_sale(after), outcome="noted")
    before = state.progress[sale.month]
    return _update_month(state, before, before, sale, after)


def _update_month(state: State, before: Progress, after: Progress, was: Sale, sale: Sale) -> Answer:
    """Change the month by the sale's difference in worth; grant newly reached rewards, adjust those that are worth
    another amount now: nothing, where the target is missed or newer rules have dropped it. Then state what of each is
    available now and was not, or the other way round.
    """
    after = replace(
        after,
        sales_minor=before.sales_minor + sale.worth_minor - was.worth_minor,
        held_minor=before.held_minor + sale.held_minor - was.held_minor,
    )
    targets = _targets(state, after)
    standing = {code: target.bonus_minor for code, target in targets.items() if _is_reached(after, target)}
    stood = _standing(state, before)
    events: list[Payload] = [_granted(after, targets[code]) for code in sorted(standing.keys() - stood.keys())]
    events += [
        _adjusted(after, code, minor, standing.get(code, 0), is_target=code in targets)
        for code, minor in stood.items()
        if standing.get(code, 0) != minor
    ]
    held = tuple(sorted(code for code in standing if not _is_available(after, targets[code])))
    after = replace(after, granted=tuple(sorted(standing)), amounts_minor=dict(sorted(standing.items())), held=held)
    events += _released(after, _without(standing, held), _without(stood, before.held))
    return Decision(state.with_sale(sale).with_progress(after), tuple(events), "counted")


def _standing(state: State, before: Progress) -> dict[str, int]:
    """What each granted reward is worth; one granted by an earlier release has the bonus of its rules."""
    bonuses = {code: target.bonus_minor for code, target in _targets(state, before).items()}
    return {code: before.amounts_minor.get(code, bonuses.get(code, 0)) for code in before.granted}


def _targets(state: State, progress: Progress) -> dict[str, SalesTarget]:
    """The month's targets, by reward, from the rules of its last paid order; none before the first order."""
    rules = state.rules.get(progress.rule_version)
    targets = rules.terms.targets if rules else ()
    return {target.reward: target for target in targets if target.currency == progress.currency}


def _is_reached(progress: Progress, target: SalesTarget) -> bool:
    return progress.sales_minor >= target.target_minor


def _is_available(progress: Progress, target: SalesTarget) -> bool:
    return progress.sales_minor - progress.held_minor >= target.target_minor


def _without(amounts_minor: Mapping[str, int], held: tuple[str, ...]) -> dict[str, int]:
    return {code: minor for code, minor in amounts_minor.items() if code not in held}


def _released(progress: Progress, available: Mapping[str, int], was: Mapping[str, int]) -> list[RewardReleased]:
    """An event for each reward whose available amount is another one now."""
    return [
        RewardReleased(
            amount=to_amount(available.get(code, 0), progress.currency),
            was=to_amount(was.get(code, 0), progress.currency),
            **_progress_fields(progress, code, progress.sales_minor - progress.held_minor),
        )
        for code in sorted({*available, *was})
        if available.get(code, 0) != was.get(code, 0)
    ]


def _granted(progress: Progress, target: SalesTarget) -> RewardGranted:
    return RewardGranted(
        kind="sales_target",
        target=to_amount(target.target_minor, target.currency),
        amount=to_amount(target.bonus_minor, target.currency),
        held_first=True,
        **_progress_fields(progress, target.reward, progress.sales_minor),
    )


def _adjusted(progress: Progress, reward: str, was_minor: int, minor: int, *, is_target: bool) -> RewardAdjusted:
    missed = "bonus_changed" if minor else "target_missed"
    return RewardAdjusted(
        was=to_amount(was_minor, progress.currency),
        amount=to_amount(minor, progress.currency),
        reason=missed if is_target else "target_gone",
        held_first=True,
        **_progress_fields(progress, reward, progress.sales_minor),
    )


def _progress_fields(progress: Progress, reward: str, sales_minor: int) -> dict[str, object]:
    """The fields that all events have. Sales beyond the limit of an amount are cut to it."""
    market = None if progress.market == DEFAULT_MARKET else progress.market
    currency = progress.currency
    return {
        "reward_id": reward_id(reward, progress.distributor_id, progress.month, currency, market),
        "distributor_id": progress.distributor_id,
        "month": progress.month,
        "currency": currency,
        "market": market,
        "reward": reward,
        "sales": to_amount(min(sales_minor, AMOUNT_MINOR_MAX[currency]), currency),
        "rule_version": progress.rule_version,
    }
