"""The rules of rewards. What an order adds follows from all its events, whatever came first."""

from __future__ import annotations

from dataclasses import replace

from contracts.commissions.earnings import month_of
from contracts.fields import AMOUNT_MINOR_MAX
from contracts.money import to_amount, to_minor
from contracts.orders.v1 import OrderCancelled, OrderPaid, OrderRefunded
from contracts.rewards.v1 import RewardGranted, RewardRevoked
from contracts.rules.view import DEFAULT_MARKET, SalesTarget
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Message, Payload
from workers.reward_checks.model import Progress, Sale, State, progress_key

Answer = Decision[State] | NotYet[State]


def count_sale(state: State, message: Message[OrderPaid]) -> Answer:
    """Add the order's net to the seller's month; a target that is reached grants its reward, once.

    What was given back before we heard of the payment is not added.
    """
    order = message.data
    rules = state.rules.get(order.rule_version)
    if rules is None:
        return NotYet("rules_unknown")
    market = rules.terms.market
    key = progress_key(order.distributor_id, order.placed_at, order.currency, market)
    known = state.sales.get(order.key)
    if known is not None and known.counted:
        return Decision(state, outcome="duplicate")
    sale = known or Sale(order.key, key, sum(to_minor(line.net, order.currency) for line in order.lines))
    before = state.progress.get(key) or Progress(
        key, order.distributor_id, month_of(order.placed_at), order.currency, market=market
    )
    after = before.by_the_last_order(order, state.rules)
    return _settle(state, before, after, sale, replace(sale, month=key, counted=True))


def take_back_refund(state: State, message: Message[OrderRefunded]) -> Answer:
    """Subtract what was refunded from the month the order was placed in; a target missed now revokes its reward."""
    order = message.data
    return _take_back(state, order, to_minor(order.refunded_total, order.currency))


def take_back_sale(state: State, message: Message[OrderCancelled]) -> Answer:
    """Subtract all that is left of a cancelled order, as for a refund."""
    order = message.data
    if not order.was_paid:
        return Decision(state, outcome="never_counted")
    return _take_back(state, order, to_minor(order.net_total, order.currency))


def _take_back(state: State, order: OrderCancelled | OrderRefunded, in_all_minor: int) -> Answer:
    """`in_all_minor` is a sum; one that is not above what we know says nothing new."""
    month = progress_key(order.distributor_id, order.placed_at, order.currency, DEFAULT_MARKET)
    sale = state.sales.get(order.key) or Sale(order.key, month, to_minor(order.net_total, order.currency))
    if in_all_minor <= sale.taken_back_minor:
        return Decision(state, outcome="nothing_new")
    after = replace(sale, taken_back_minor=in_all_minor)
    if not sale.counted:
        return Decision(state.with_sale(after), outcome="noted")
    before = state.progress[sale.month]
    return _settle(state, before, before, sale, after)


def _settle(state: State, before: Progress, after: Progress, was: Sale, sale: Sale) -> Answer:
    """Move the month by what the sale is worth now; grant what is reached and stands not yet, revoke what stands and
    is reached no longer.

    Newer rules may have dropped a target that was reached; its reward is revoked in the words of the rules before.
    """
    after = replace(after, sales_minor=before.sales_minor + sale.worth_minor - was.worth_minor)
    targets = _targets(state, after)
    known = {**_targets(state, before), **targets}
    reached = {code for code, target in targets.items() if _is_reached(after, target)}
    events: list[Payload] = [
        RewardGranted(**_progress_fields(after, targets[code])) for code in sorted(reached - {*before.granted})
    ]
    events += [RewardRevoked(**_progress_fields(after, known[code])) for code in before.granted if code not in reached]
    after = replace(after, granted=tuple(sorted(reached)))
    return Decision(state.with_sale(sale).with_progress(after), tuple(events), "counted")


def _targets(state: State, progress: Progress) -> dict[str, SalesTarget]:
    """The targets that count for the month by its last paid order, by reward; none before the first one."""
    rules = state.rules.get(progress.rule_version)
    targets = rules.terms.targets if rules else ()
    return {target.reward: target for target in targets if target.currency == progress.currency}


def _is_reached(progress: Progress, target: SalesTarget) -> bool:
    return progress.sales_minor >= target.target_minor


def _progress_fields(progress: Progress, target: SalesTarget) -> dict[str, object]:
    """The reward in the fields of its events. A month's sales may be more than an amount carries; it says the most."""
    return {
        "distributor_id": progress.distributor_id,
        "month": progress.month,
        "currency": progress.currency,
        "market": None if progress.market == DEFAULT_MARKET else progress.market,
        "reward": target.reward,
        "target": to_amount(target.target_minor, target.currency),
        "sales": to_amount(min(progress.sales_minor, AMOUNT_MINOR_MAX[target.currency]), target.currency),
        "bonus": to_amount(target.bonus_minor, target.currency),
        "rule_version": progress.rule_version,
    }
