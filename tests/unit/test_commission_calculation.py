"""Commissions: worked out by hand first, then as properties: never beyond the pool, and back to zero when reversed."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contracts.commissions.v1 import CommissionAccrued, CommissionReversed
from contracts.commissions.v1 import Entry as EntryMessage
from contracts.commissions.v1 import Unpaid as UnpaidMessage
from contracts.decision import Decision, NotYet
from contracts.money import MINOR_DIGITS, RATE_SCALE, to_amount
from contracts.orders.v1 import OrderPaid
from contracts.rules.view import RuleSet
from tests.builders import (
    CUP,
    CUPS,
    KEY,
    MIDDLE,
    NOW,
    ORDER,
    SELLER,
    SHOP,
    TEA,
    TEAS,
    TOP,
    an_order_line,
    an_upline,
    cancelled,
    message,
    paid,
    rules,
)
from workers.commission_calculation.decide import accrue, post, reverse
from workers.commission_calculation.model import Accounts, Commission, Entry, Leg, Posting, Unpaid

CHAIN = an_upline(SELLER, MIDDLE, TOP)


def accounts(*rule_sets: RuleSet) -> Accounts:
    return Accounts(rules={known.rule_version: known for known in rule_sets or (rules(),)})


def an_entry(level: int, distributor_id: int, rate_ppm: int, amount_minor: int, rounding: int = 0, **at: Any) -> Entry:
    where = {"line": 1, "product_id": TEA, "base_minor": 9_000, **at}
    return Entry(
        level=level,
        distributor_id=distributor_id,
        rate_ppm=rate_ppm,
        amount_minor=amount_minor,
        rounding=rounding,
        **where,
    )


def said(level: int, distributor_id: int, rate: str, amount: str) -> EntryMessage:
    return EntryMessage(
        line=1,
        product_id=TEA,
        level=level,
        distributor_id=distributor_id,
        base=Decimal("90.00"),
        rate=Decimal(rate),
        amount=Decimal(amount),
        rounding=0,
    )


THE_COMMISSION = Commission(
    key=KEY,
    currency="CNY",
    rule_version=1,
    order_version=3,
    pool_minor=1_800,
    entries=(
        an_entry(1, SELLER, 100_000, 900),
        an_entry(2, MIDDLE, 50_000, 450),
        an_entry(3, TOP, 30_000, 270),
    ),
    unpaid=(),
)
LEGS = (Leg("held", 270, TOP), Leg("held", 450, MIDDLE), Leg("held", 900, SELLER), Leg("pool", -1_620))
LEGS_BACK = (Leg("held", -270, TOP), Leg("held", -450, MIDDLE), Leg("held", -900, SELLER), Leg("pool", 1_620))


def test_a_paid_order_pays_every_level_and_the_posting_balances() -> None:
    order = message(paid(version=3), id="m-paid")
    accrued = CommissionAccrued(
        shop_id=SHOP,
        order_id=ORDER,
        order_version=3,
        currency="CNY",
        rule_version=1,
        pool=Decimal("18.00"),
        total=Decimal("16.20"),
        entries=(said(1, SELLER, "0.1", "9.00"), said(2, MIDDLE, "0.05", "4.50"), said(3, TOP, "0.03", "2.70")),
        unpaid=(),
    )
    after = accounts().with_commission(THE_COMMISSION, Posting("m-paid", KEY, "CNY", NOW, LEGS))

    assert accrue(accounts(), order) == Decision(after, (accrued,), "accrued")


def test_a_cancelled_order_takes_back_exactly_what_it_paid() -> None:
    order = message(cancelled(version=4), id="m-cancelled")
    known = Accounts(commissions={KEY: THE_COMMISSION})
    fallen = Commission(**{**_fields(THE_COMMISSION), "status": "reversed"})
    event = CommissionReversed(
        shop_id=SHOP,
        order_id=ORDER,
        order_version=4,
        currency="CNY",
        total=Decimal("-16.20"),
        entries=(said(1, SELLER, "0.1", "-9.00"), said(2, MIDDLE, "0.05", "-4.50"), said(3, TOP, "0.03", "-2.70")),
        reason="cancelled_by_shop",
    )
    after = known.with_commission(fallen, Posting("m-cancelled", KEY, "CNY", NOW, LEGS_BACK))

    assert reverse(known, order) == Decision(after, (event,), "reversed")


def _fields(commission: Commission) -> dict[str, Any]:
    return {name: getattr(commission, name) for name in Commission.__slots__}


EQUAL = {"rates_ppm": (50_000, 50_000)}
THIRDS = {"rates_ppm": (333_333, 333_333, 333_333), "pool_rate_ppm": 1_000_000}
TEN_AND_TEN = {"rates_ppm": (100_000, 100_000)}
TEA_RATES = {"categories": {TEAS: (80_000, 40_000)}}

# currency, net, rule set, sponsor chain, (level, minor units, rounding) of each entry: each worked out on paper.
WORKED = [
    ("whole cents", "CNY", "90.00", {}, CHAIN, [(1, 900, 0), (2, 450, 0), (3, 270, 0)]),
    # 5.5 + 2.75 + 1.65 = 9.9, so 10: the two units left go to .75 and .65.
    ("largest fractions", "CNY", "0.55", {}, CHAIN, [(1, 5, 0), (2, 3, 1), (3, 2, 1)]),
    # 0.5 + 0.5 = 1: equal fractions, so the lower level gets the unit.
    ("a tie", "CNY", "0.10", EQUAL, CHAIN, [(1, 1, 1), (2, 0, 0)]),
    # 33.3333 three times is 99.9999, so 100.
    ("three in a tie", "CNY", "1.00", THIRDS, CHAIN, [(1, 34, 1), (2, 33, 0), (3, 33, 0)]),
    # 437.6 + 218.8 = 656.4, so 656: the unit goes to .8.
    ("category rates", "CNY", "54.70", TEA_RATES, CHAIN, [(1, 437, 0), (2, 219, 1)]),
    ("an inactive upline", "CNY", "90.00", {}, an_upline(3, 2, 1, inactive=[2]), [(1, 900, 0), (3, 270, 0)]),
    ("beyond the last level", "CNY", "90.00", EQUAL, CHAIN, [(1, 450, 0), (2, 450, 0)]),
    ("a short chain", "CNY", "90.00", {}, an_upline(SELLER), [(1, 900, 0)]),
    # 100.5 + 50.25 + 30.15 = 180.9, so 181: in yen and in thousandths of a dinar alike.
    ("yen", "JPY", "1005", {}, CHAIN, [(1, 101, 1), (2, 50, 0), (3, 30, 0)]),
    ("dinar", "KWD", "1.005", {}, CHAIN, [(1, 101, 1), (2, 50, 0), (3, 30, 0)]),
    # 0.8 + 0.8 = 1.6, which rounds to 2, but the pool is 20 % of 8, cut to 1.
    ("the pool is closed", "CNY", "0.08", TEN_AND_TEN, CHAIN, [(1, 1, 1), (2, 0, 0)]),
    ("nothing to share", "CNY", "0.00", {}, CHAIN, [(1, 0, 0), (2, 0, 0), (3, 0, 0)]),
]


@pytest.mark.parametrize(
    ("currency", "net", "given_rules", "chain", "expected"), [case[1:] for case in WORKED], ids=[c[0] for c in WORKED]
)
def test_worked_examples(
    currency: str, net: str, given_rules: dict[str, Any], chain: Any, expected: list[tuple[int, int, int]]
) -> None:
    order = paid(currency=currency, lines=(an_order_line(net=net),), upline=chain)

    after = accrue(accounts(rules(**given_rules)), message(order)).state

    entries = after.commissions[KEY].entries
    assert [(entry.level, entry.amount_minor, entry.rounding) for entry in entries] == expected
    assert sum(leg.amount_minor for leg in after.postings[0].legs) == 0


def test_each_line_is_rounded_by_itself_with_the_rates_of_its_own_category() -> None:
    lines = (an_order_line(1, TEA, net="54.70"), an_order_line(2, CUP, category_id=CUPS, net="0.55"))

    decision = accrue(accounts(rules(**TEA_RATES)), message(paid(lines=lines, version=3)))

    commission = decision.state.commissions[KEY]
    cups = {"line": 2, "product_id": CUP, "base_minor": 55}
    assert commission.entries == (
        an_entry(1, SELLER, 80_000, 437, base_minor=5_470),
        an_entry(2, MIDDLE, 40_000, 219, 1, base_minor=5_470),
        an_entry(1, SELLER, 100_000, 5, **cups),
        an_entry(2, MIDDLE, 50_000, 3, 1, **cups),
        an_entry(3, TOP, 30_000, 2, 1, **cups),
    )
    # 20 % of each line, cut to whole cents: 1094 and 11.
    assert commission.pool_minor == 1_105
    assert decision.state.postings[0].legs == (
        Leg("held", 2, TOP),
        Leg("held", 222, MIDDLE),
        Leg("held", 442, SELLER),
        Leg("pool", -666),
    )


def test_the_rules_are_those_of_the_orders_version_not_the_newest() -> None:
    known = accounts(rules(1), rules(2, rates_ppm=(10_000,)))

    assert accrue(known, message(paid(rule_version=2))).state.commissions[KEY].total_minor == 90
    assert accrue(known, message(paid(rule_version=1))).state.commissions[KEY].total_minor == 1_620


class TestWhoGetsNothingAndWhy:
    @staticmethod
    def unpaid(chain: Any, **given_rules: Any) -> tuple[Unpaid, ...]:
        decision = accrue(accounts(rules(**given_rules)), message(paid(upline=chain)))
        recorded = decision.state.commissions[KEY].unpaid
        assert decision.publish[0].unpaid == tuple(
            UnpaidMessage(level=u.level, distributor_id=u.distributor_id, reason=u.reason) for u in recorded
        )
        return recorded

    def test_the_inactive_and_those_beyond_the_last_level(self) -> None:
        chain = an_upline(SELLER, MIDDLE, TOP, 4, 5, inactive=[MIDDLE, 5])

        assert self.unpaid(chain) == (
            Unpaid(2, MIDDLE, "inactive"),
            Unpaid(4, 4, "beyond_last_level"),
            Unpaid(5, 5, "beyond_last_level"),
        )

    def test_a_category_of_the_order_may_pay_more_levels_than_the_default(self) -> None:
        rates = {"rates_ppm": (100_000,), "categories": {TEAS: (80_000, 40_000)}}

        assert self.unpaid(CHAIN, **rates) == (Unpaid(3, TOP, "beyond_last_level"),)

    def test_levels_that_only_other_categories_pay_are_beyond_the_last_level(self) -> None:
        rates = {"rates_ppm": (100_000,), "categories": {CUPS: (80_000, 40_000, 20_000)}}

        assert self.unpaid(CHAIN, **rates) == (
            Unpaid(2, MIDDLE, "beyond_last_level"),
            Unpaid(3, TOP, "beyond_last_level"),
        )

    def test_everyone_in_the_chain_is_either_paid_or_told_why_not(self) -> None:
        chain = an_upline(*range(1, 11), inactive=[2, 7])
        commission = accrue(accounts(), message(paid(upline=chain))).state.commissions[KEY]

        paid_levels = {entry.level for entry in commission.entries}
        assert paid_levels | {u.level for u in commission.unpaid} == set(range(1, 11))
        assert not paid_levels & {u.level for u in commission.unpaid}


def test_one_distributor_on_several_lines_is_one_leg_and_an_empty_share_is_none() -> None:
    entries = [an_entry(1, SELLER, 1, 5), an_entry(1, SELLER, 1, 7, line=2), an_entry(2, MIDDLE, 1, 0)]

    posting = post("m-1", KEY, "CNY", NOW, entries)

    assert posting == Posting("m-1", KEY, "CNY", NOW, (Leg("held", 12, SELLER), Leg("pool", -12)))


class TestOrderOfMessages:
    def test_an_order_is_accrued_once(self) -> None:
        known = Accounts(commissions={KEY: THE_COMMISSION})

        assert accrue(known, message(paid(version=3))) == Decision(known, outcome="duplicate")

    def test_a_reversal_happens_once(self) -> None:
        fallen = Accounts(commissions={KEY: Commission(**{**_fields(THE_COMMISSION), "status": "reversed"})})

        assert reverse(fallen, message(cancelled())) == Decision(fallen, outcome="duplicate")
        assert accrue(fallen, message(paid())) == Decision(fallen, outcome="duplicate")

    def test_an_order_waits_for_its_rules(self) -> None:
        assert accrue(accounts(), message(paid(rule_version=2))) == NotYet("rules_unknown")

    def test_a_cancellation_waits_for_the_accrual_it_takes_back(self) -> None:
        assert reverse(accounts(), message(cancelled())) == NotYet("accrual_unknown")

    def test_an_order_that_was_never_paid_has_nothing_to_take_back(self) -> None:
        order = message(cancelled(was_paid=False))

        assert reverse(accounts(), order) == Decision(accounts(), outcome="nothing_accrued")


@st.composite
def paid_orders(draw: st.DrawFn) -> tuple[RuleSet, OrderPaid]:
    """Any rule set that may be published, with any order it may meet."""
    currency = draw(st.sampled_from(["CNY", "JPY", "KWD"]))
    pool = draw(st.integers(0, RATE_SCALE))

    def levels() -> tuple[int, ...]:
        left, rates = pool, []
        for _ in range(draw(st.integers(1, 3))):
            rates.append(draw(st.integers(0, left)))
            left -= rates[-1]
        return tuple(rates)

    ids = draw(st.lists(st.integers(1, 20), min_size=1, max_size=10, unique=True))
    inactive = draw(st.sets(st.sampled_from(ids)))
    nets = draw(st.lists(st.integers(0, 10**9) | st.integers(0, 200), min_size=1, max_size=6))
    lines = tuple(
        an_order_line(n, category_id=draw(st.sampled_from([TEAS, CUPS])), net=str(to_amount(net, currency)))
        for n, net in enumerate(nets, start=1)
    )
    rule_set = rules(rates_ppm=levels(), pool_rate_ppm=pool, categories={CUPS: levels()})
    return rule_set, paid(currency=currency, lines=lines, upline=an_upline(*ids, inactive=inactive))


EDGE = (rules(rates_ppm=(100_000, 100_000)), paid(lines=(an_order_line(net="0.08"),)))


@given(paid_orders())
@example(EDGE)
def test_a_line_pays_its_exact_shares_rounded_together_and_never_beyond_its_pool(
    case: tuple[RuleSet, OrderPaid],
) -> None:
    rule_set, order = case
    commission = accrue(accounts(rule_set), message(order)).state.commissions[KEY]
    for line in order.lines:
        base = int(line.net.scaleb(MINOR_DIGITS[order.currency]))
        rates = rule_set.rates_of(line.category_id)
        exact = {
            up.level: Fraction(base * rates[up.level - 1], RATE_SCALE)
            for up in order.upline
            if up.active and up.level <= len(rates)
        }
        entries = [entry for entry in commission.entries if entry.line == line.line]
        pool = base * rule_set.pool_rate_ppm // RATE_SCALE
        assert [entry.level for entry in entries] == list(exact)
        assert sum(e.amount_minor for e in entries) == min(int(sum(exact.values()) + Fraction(1, 2)), pool)
        assert all(abs(entry.amount_minor - exact[entry.level]) < 1 for entry in entries)
    assert commission.total_minor <= commission.pool_minor


@given(paid_orders())
def test_accrued_and_then_reversed_every_account_is_at_zero(case: tuple[RuleSet, OrderPaid]) -> None:
    rule_set, order = case
    accrued = accrue(accounts(rule_set), message(order))
    undone = reverse(accrued.state, message(cancelled(currency=order.currency)))

    balances: Counter[tuple[str, int]] = Counter()
    assert len(undone.state.postings) == 2
    for posting in undone.state.postings:
        assert sum(leg.amount_minor for leg in posting.legs) == 0
        for leg in posting.legs:
            balances[leg.account, leg.distributor_id] += leg.amount_minor
    assert set(balances.values()) <= {0}
    assert undone.publish[0].total == -accrued.publish[0].total


@given(paid_orders())
def test_handled_twice_equals_once(case: tuple[RuleSet, OrderPaid]) -> None:
    rule_set, order = case
    for state, rule, payload in (
        (accounts(rule_set), accrue, order),
        (accrue(accounts(rule_set), message(order)).state, reverse, cancelled(currency=order.currency)),
    ):
        once = rule(state, message(payload))
        assert rule(once.state, message(payload, id="resent")) == Decision(once.state, outcome="duplicate")
