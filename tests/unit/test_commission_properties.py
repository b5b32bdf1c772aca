"""Events in any order and with repeats give the same accounts; a full refund brings them to zero."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contracts.commissions.earnings import increments_of
from contracts.commissions.view import Commission, balances_of
from contracts.money import to_amount, to_minor
from contracts.orders.v1 import AfterSaleChanged, OrderLine, RefundedLine, Team
from contracts.rules.view import Caps, Conditions, Differential, Fixed, Plan, RuleSet, TeamBonus, Unilevel
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from tests.builders import (
    KEY,
    NOW,
    ORDER,
    SELLER,
    SHOP,
    TEA,
    TEAM,
    an_order_line,
    an_upline,
    cancelled,
    completed,
    message,
    paid,
    refunded,
    tick,
)
from tests.unit.test_commission_accrual import rules_with
from workers.commission_calculation import decide
from workers.commission_calculation.model import State

RULES: dict[str, Any] = {
    "order.paid.v1": decide.accrue,
    "order.completed.v1": decide.start_hold,
    "order.after-sale-changed.v1": decide.note_after_sale,
    "order.refunded.v1": decide.take_back,
    "order.cancelled.v1": decide.take_back_all,
    "clock.ticked.v1": decide.release,
}
LONG_AFTER = NOW + timedelta(days=400)
CURRENCIES = ("CNY", "JPY", "KWD")
PLANS: tuple[Plan, ...] = (
    Unilevel("levels", (100_000, 50_000, 33_333)),
    Unilevel("capped", (70_000, 70_000), caps=Caps(order=dict.fromkeys(CURRENCIES, 97), day={"CNY": 1_234})),
    Fixed("per_unit", dict.fromkeys(CURRENCIES, (7, 3))),
    Differential("tiers", {"standard": 41_000}, peer_rate_ppm=9_999),
    TeamBonus("team", 10_001, conditions=Conditions(own_sales_min={"CNY": 0})),
)


@dataclass(frozen=True)
class History:
    """The events of one order in their order; `ticks` may come at any time."""

    rules: RuleSet
    events: tuple[Message[Any], ...]
    ticks: tuple[Message[Any], ...]
    total: Message[Any]
    """A refund of everything, as the last event of the order."""


@st.composite
def histories(draw: st.DrawFn) -> History:
    currency = draw(st.sampled_from(CURRENCIES))
    nets = draw(st.lists(st.integers(0, 20_000) | st.integers(0, 30), min_size=1, max_size=3))
    lines = tuple(
        an_order_line(n, TEA + n, quantity=draw(st.integers(1, 4)), net=str(to_amount(net, currency)))
        for n, net in enumerate(nets, start=1)
    )
    team = Team(team_id=TEAM, leader_id=SELLER, leader_tier="standard", leader_active=True)
    rules = rules_with(
        *draw(st.lists(st.sampled_from(PLANS), min_size=1, max_size=4, unique_by=lambda plan: plan.name)),
        pool_rate_ppm=draw(st.sampled_from([1_000_000, 333_333, 150_000])),
    )
    chain = an_upline(SELLER, 2, 1, inactive=draw(st.sampled_from([(), (2,)])))
    payloads: list[Any] = [paid(currency=currency, lines=lines, upline=chain, team=draw(st.sampled_from([None, team])))]
    sums: dict[int, tuple[int, int]] = {}
    for number in range(draw(st.integers(0, 4))):
        line = draw(st.sampled_from(lines))
        units, money = sums.get(line.line, (0, 0))
        net = to_minor(line.net, currency)
        sums[line.line] = (draw(st.integers(units, line.quantity)), draw(st.integers(money, net)))
        payloads.append(_refund(lines, sums, currency, f"r-{number}"))
    ending = draw(st.sampled_from(["completed", "cancelled", "neither"]))
    if ending == "completed":
        payloads.insert(draw(st.integers(1, len(payloads))), completed())
    for is_open in draw(st.sampled_from([(), (True,), (True, False), (True, False, True, False)])):
        event = AfterSaleChanged(shop_id=SHOP, order_id=ORDER, version=0, open=is_open)
        payloads.append(event)
    if ending == "cancelled":
        payloads.append(cancelled(currency=currency))
    everything = {line.line: (line.quantity, to_minor(line.net, currency)) for line in lines}
    payloads.append(_refund(lines, everything, currency, "r-last"))
    messages = [
        message(payload.model_copy(update={"version": version}), time=NOW + timedelta(days=version))
        for version, payload in enumerate(payloads, start=3)
    ]
    days = draw(st.lists(st.integers(0, 30), max_size=3))
    ticks = tuple(message(tick(NOW + timedelta(days=day)), time=NOW + timedelta(days=day)) for day in days)
    return History(rules, tuple(messages[:-1]), ticks, messages[-1])


def _refund(lines: Sequence[OrderLine], sums: dict[int, tuple[int, int]], currency: str, refund_id: str) -> Any:
    """A refund of these lines with their sums so far: units and minor units."""
    state_after = [
        RefundedLine(
            line=line.line,
            product_id=line.product_id,
            quantity=line.quantity,
            net=line.net,
            refunded_quantity=sums[line.line][0],
            refunded=to_amount(sums[line.line][1], currency),
        )
        for line in lines
        if line.line in sums
    ]
    return refunded(*state_after, refund_id=refund_id, currency=currency)


def state_after(rules: RuleSet, messages: Sequence[Message[Any]], state: State | None = None) -> State:
    """The state after these messages; checks the books after each."""
    state = state or State(rules={rules.rule_version: rules})
    for cause in messages:
        answer = RULES[cause.type](state, cause)
        assert isinstance(answer, Decision)
        state = answer.state
        assert_sound(state)
    return state


def assert_sound(state: State) -> None:
    assert all(sum(leg.amount_minor for leg in posting.legs) == 0 for posting in state.postings)
    assert len({posting.posting_id for posting in state.postings}) == len(state.postings)
    commission = state.commissions.get(KEY)
    if commission is not None:
        assert commission.total_minor <= commission.pool_minor
        for entry, left in zip(commission.entries, commission.remaining_minor(), strict=True):
            assert 0 <= left <= entry.amount_minor


def figures_of(state: State) -> dict[str, Any]:
    """The figures that must not depend on the order of arrival: all but the account that holds the money."""
    sums: Counter[tuple[int, str]] = Counter()
    for (earner, _, account), amount in balances_of(state.postings).items():
        sums[earner, "earned" if account in ("held", "available") else account] += amount
    commission = state.commissions[KEY]
    return {
        "sums": {key: amount for key, amount in sums.items() if amount},
        "commission": _without_history(commission),
        "left": commission.remaining_minor(),
        "months": increments_of(state.tallies),
    }


def _without_history(commission: Commission) -> Commission:
    return replace(commission, reversals=(), status="held", release_at=None, released_at=None)


@given(histories(), st.data())
def test_the_order_of_arrival_changes_only_the_account(history: History, data: st.DataObject) -> None:
    messages = [*history.events, *history.ticks]
    again = data.draw(st.lists(st.sampled_from(messages), max_size=3))
    resent = [message(cause.data, id=f"resent-{n}", time=cause.time) for n, cause in enumerate(again)]
    shuffled = data.draw(st.permutations([*messages, *again, *resent]))
    last = message(tick(LONG_AFTER), time=LONG_AFTER)

    in_order = state_after(history.rules, [*history.events, last])
    as_received = state_after(history.rules, [*shuffled, last])

    assert figures_of(as_received) == figures_of(in_order)
    balances = balances_of(as_received.postings)
    if as_received.commissions[KEY].status == in_order.commissions[KEY].status:
        assert +balances == +balances_of(in_order.postings)


@given(histories(), st.data())
def test_a_full_refund_brings_every_account_to_zero(history: History, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations([*history.events, *history.ticks, history.total]))

    state = state_after(history.rules, [*shuffled, message(tick(LONG_AFTER), time=LONG_AFTER)])

    assert set(state.commissions[KEY].remaining_minor()) <= {0}
    sums: Counter[tuple[int, str]] = Counter()
    for (earner, currency, account), amount in balances_of(state.postings).items():
        assert amount == 0, f"{account} of {earner} has {amount} {currency} left"
        sums[earner, currency] += amount


@given(histories(), st.data())
def test_handled_twice_equals_once(history: History, data: st.DataObject) -> None:
    messages = data.draw(st.permutations([*history.events, *history.ticks, history.total]))
    once = state_after(history.rules, messages)

    for cause in (*history.events, history.total):
        again = RULES[cause.type](once, message(cause.data, id=f"resent {cause.id}", time=cause.time))
        assert again == Decision(once, outcome="duplicate")


@given(histories())
def test_the_released_amounts_match_the_events(history: History) -> None:
    state = state_after(history.rules, history.events)
    decision = decide.release(state, message(tick(LONG_AFTER), time=LONG_AFTER))

    released = {share.distributor_id: share.amount for event in decision.publish for share in event.shares}
    available = {
        earner: to_amount(amount, currency)
        for (earner, currency, account), amount in balances_of(decision.state.postings).items()
        if account == "available" and amount
    }
    assert released == available
