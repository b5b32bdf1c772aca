"""The rules of rewards. Sales only add and subtract, so the order in which orders arrive never matters."""

from __future__ import annotations

from dataclasses import replace

from contracts.decision import Decision, NotYet
from contracts.envelope import Message, Payload
from contracts.money import to_amount, to_minor
from contracts.orders.v1 import OrderCancelled, OrderPaid
from contracts.rewards.v1 import RewardGranted, RewardRevoked
from contracts.rules.view import SalesTarget
from workers.reward_checks.model import Board, Progress, Sale, progress_key

Answer = Decision[Board] | NotYet[Board]


def count_sale(board: Board, message: Message[OrderPaid]) -> Answer:
    """Add the order's net to the seller's month; a target that is reached grants its reward, once."""
    order = message.data
    if order.rule_version not in board.rules:
        return NotYet("rules_unknown")
    sale = _sale(board, order, sum(to_minor(line.net, order.currency) for line in order.lines))
    if sale.counted:
        return Decision(board, outcome="duplicate")
    before = _progress(board, order)
    after = replace(
        before,
        sales_minor=before.sales_minor + sale.net_minor,
        rule_version=max(before.rule_version, order.rule_version),
    )
    return _settle(board.with_sale(replace(sale, counted=True)), before, after)


def take_back_sale(board: Board, message: Message[OrderCancelled]) -> Answer:
    """Subtract a cancelled order from the month it was placed in; a target missed now revokes its reward."""
    order = message.data
    if not order.was_paid:
        return Decision(board, outcome="never_counted")
    sale = _sale(board, order, to_minor(order.net_total, order.currency))
    if sale.taken_back:
        return Decision(board, outcome="duplicate")
    before = _progress(board, order)
    after = replace(before, sales_minor=before.sales_minor - sale.net_minor)
    return _settle(board.with_sale(replace(sale, taken_back=True)), before, after)


def _sale(board: Board, order: OrderPaid | OrderCancelled, net_minor: int) -> Sale:
    month = progress_key(order.distributor_id, order.placed_at, order.currency)
    return board.sales.get(order.key) or Sale(order.key, month, net_minor)


def _progress(board: Board, order: OrderPaid | OrderCancelled) -> Progress:
    key = progress_key(order.distributor_id, order.placed_at, order.currency)
    known = board.progress.get(key)
    return known or Progress(key, order.distributor_id, f"{order.placed_at:%Y-%m}", order.currency)


def _settle(board: Board, before: Progress, after: Progress) -> Answer:
    """Grant what is reached and stands not yet; revoke what stands and is reached no longer.

    Newer rules may have dropped a target that was reached; its reward is revoked in the words of the rules before.
    """
    targets = _targets(board, after)
    known = {**_targets(board, before), **targets}
    reached = {code for code, target in targets.items() if _is_reached(after, target)}
    events: list[Payload] = [
        RewardGranted(**_said(after, targets[code])) for code in sorted(reached - {*before.granted})
    ]
    events += [RewardRevoked(**_said(after, known[code])) for code in before.granted if code not in reached]
    after = replace(after, granted=tuple(sorted(reached)))
    return Decision(board.with_progress(after), tuple(events), "counted")


def _targets(board: Board, progress: Progress) -> dict[str, SalesTarget]:
    """The targets that count for the month by its newest order, by reward; none before the first paid order."""
    rules = board.rules.get(progress.rule_version)
    return {target.reward: target for target in rules.targets if target.currency == progress.currency} if rules else {}


def _is_reached(progress: Progress, target: SalesTarget) -> bool:
    return progress.sales_minor >= target.target_minor


def _said(progress: Progress, target: SalesTarget) -> dict[str, object]:
    return {
        "distributor_id": progress.distributor_id,
        "month": progress.month,
        "currency": progress.currency,
        "reward": target.reward,
        "target": to_amount(target.target_minor, target.currency),
        "sales": to_amount(progress.sales_minor, target.currency),
        "bonus": to_amount(target.bonus_minor, target.currency),
        "rule_version": progress.rule_version,
    }
