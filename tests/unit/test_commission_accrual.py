"""Accrual: the decision for a paid order, events noted before it, and earlier earnings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from contracts.commissions.earnings import Earnings, Tally, increments_of
from contracts.commissions.v1 import CommissionAccrued, CommissionReversed
from contracts.commissions.v1 import Entry as EntryMessage
from contracts.commissions.v1 import Passed as PassedMessage
from contracts.commissions.v1 import Unpaid as UnpaidMessage
from contracts.commissions.view import AfterSale, Commission, Earned, Entry, Leg, LineRefund, Passed, Posting, Unpaid
from contracts.orders.v1 import AfterSaleChanged, Team
from contracts.plans.calculation import ARITHMETIC
from contracts.rules.view import Caps, Conditions, Fixed, Plan, RuleSet, TeamBonus, Unilevel
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import emit, message_of
from tests.builders import (
    CUP,
    KEY,
    MIDDLE,
    NOW,
    ORDER,
    SELLER,
    SHOP,
    TEA,
    TEAM,
    TOP,
    a_refunded_line,
    an_order_line,
    an_upline,
    cancelled,
    completed,
    message,
    paid,
    refunded,
    rules,
)
from workers.commission_calculation.decide import accrue, note_after_sale, start_hold, take_back, take_back_all
from workers.commission_calculation.model import Notices, State

NOVEMBER = f"{SELLER}/2026-11/CNY"
LEADER = 9


def rules_with(*plans: Plan, **fields: Any) -> RuleSet:
    known = rules()
    return replace(known, terms=replace(known.terms, plans=plans, **fields))


def accounts(*rule_sets: RuleSet, **fields: Any) -> State:
    return State(rules={known.rule_version: known for known in rule_sets or (rules(),)}, **fields)


def an_entry(level: int, distributor_id: int, rate_ppm: int, amount_minor: int, **fields: Any) -> Entry:
    values: dict[str, Any] = {
        "line": 1,
        "product_id": TEA,
        "plan": "levels",
        "tier": "standard",
        "base_minor": 9_000,
        "quantity": 2,
        "unit_minor": 0,
        "rounding": 0,
        **fields,
    }
    return Entry(level=level, distributor_id=distributor_id, rate_ppm=rate_ppm, amount_minor=amount_minor, **values)


def entry_message(level: int, distributor_id: int, rate: str, amount: str) -> EntryMessage:
    return EntryMessage(
        line=1,
        product_id=TEA,
        plan="levels",
        level=level,
        distributor_id=distributor_id,
        tier="standard",
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
    placed_at=NOW,
    accrued_at=NOW,
    seller_id=SELLER,
    pool_minor=1_800,
    entries=(an_entry(1, SELLER, 100_000, 900), an_entry(2, MIDDLE, 50_000, 450), an_entry(3, TOP, 30_000, 270)),
    unpaid=(),
    lines=(LineRefund(1, 9_000, 2),),
    hold_days=7,
    pools_minor=(1_800,),
    arithmetic=ARITHMETIC,
)
THE_POSTING = Posting(
    "m-paid",
    KEY,
    "CNY",
    NOW,
    "accrual",
    (
        Leg("breakage", 180),
        Leg("held", 270, TOP),
        Leg("held", 450, MIDDLE),
        Leg("held", 900, SELLER),
        Leg("pool", -1_800),
    ),
)


def test_a_paid_order_pays_every_level_and_the_rest_of_the_pool_is_breakage() -> None:
    accrued = CommissionAccrued(
        shop_id=SHOP,
        order_id=ORDER,
        order_version=3,
        currency="CNY",
        rule_version=1,
        pool=Decimal("18.00"),
        total=Decimal("16.20"),
        entries=(
            entry_message(1, SELLER, "0.1", "9.00"),
            entry_message(2, MIDDLE, "0.05", "4.50"),
            entry_message(3, TOP, "0.03", "2.70"),
        ),
        unpaid=(),
        hold_days=7,
    )

    decision = accrue(accounts(), message(paid(version=3), id="m-paid"))

    after = accounts().with_notices(Notices(KEY, accrued=True)).with_commissions([THE_COMMISSION], [THE_POSTING])
    assert decision == Decision(after, (accrued,), "accrued")


def test_the_event_survives_serialisation() -> None:
    plans = (Fixed("per_unit", {"CNY": (50, 20)}), Unilevel("levels", (100_000,), caps=Caps(entry={"CNY": 300})))
    cause = message(paid(upline=an_upline(SELLER, MIDDLE, inactive=[MIDDLE])))

    [event] = accrue(accounts(rules_with(*plans)), cause).publish

    body = emit(event, cause=cause, source="commission_calculation", index=0, at=NOW).to_bytes()
    assert message_of(CommissionAccrued).model_validate_json(body).data == event
    assert [(e.plan, e.rate, e.unit, e.quantity, e.amount, e.limited_by) for e in event.entries] == [
        ("per_unit", None, Decimal("0.50"), 2, Decimal("1.00"), None),
        ("levels", Decimal("0.1"), None, None, Decimal("3.00"), "entry"),
    ]
    passed = (PassedMessage(level=2, distributor_id=MIDDLE),)
    assert event.unpaid == (
        UnpaidMessage(plan="per_unit", reason="inactive", uplines=passed),
        UnpaidMessage(plan="levels", reason="inactive", uplines=passed),
    )


def test_each_line_draws_on_its_own_pool() -> None:
    lines = (an_order_line(1, TEA, net="54.70"), an_order_line(2, CUP, net="0.55"))

    commission = accrue(accounts(), message(paid(lines=lines))).state.commissions[KEY]

    # 20 % of each line, cut to whole cents.
    assert commission.pools_minor == (1_094, 11)
    assert commission.pool_minor == 1_105
    assert commission.lines == (LineRefund(1, 5_470, 2), LineRefund(2, 55, 2))


def test_the_rule_version_of_the_order_applies_not_the_newest() -> None:
    known = accounts(rules(1), rules(2, rates_ppm=(10_000,)))

    assert accrue(known, message(paid(rule_version=2))).state.commissions[KEY].total_minor == 90
    assert accrue(known, message(paid(rule_version=1))).state.commissions[KEY].total_minor == 1_620


def test_a_team_leader_outside_the_upline_is_paid() -> None:
    team = Team(team_id=TEAM, leader_id=LEADER, leader_tier="gold", leader_active=True)
    bonus = rules_with(TeamBonus("team", 10_000))

    with_team = accrue(accounts(bonus), message(paid(team=team))).state
    without = accrue(accounts(bonus), message(paid())).state

    assert with_team.commissions[KEY].entries == (an_entry(0, LEADER, 10_000, 90, plan="team", tier="gold"),)
    assert Leg("held", 90, LEADER) in with_team.postings[0].legs
    assert without.commissions[KEY].unpaid == (Unpaid("team", "no_team", (), ()),)


def test_an_order_without_a_pool_has_an_empty_posting() -> None:
    decision = accrue(accounts(rules(pool_rate_ppm=0)), message(paid(), id="m-paid"))

    assert decision.state.postings == (Posting("m-paid", KEY, "CNY", NOW, "accrual", ()),)


class TestEarlierEarnings:
    CAPPED = rules_with(
        Unilevel("levels", (100_000,), caps=Caps(day={"CNY": 1_500}, month={"CNY": 2_500})),
        Unilevel("sellers", (50_000,), conditions=Conditions(own_sales_min={"CNY": 10_000})),
        pool_rate_ppm=200_000,
    )

    def test_they_are_counted_even_where_no_plan_needs_them(self) -> None:
        state = accrue(accounts(), message(paid())).state

        assert state.commissions[KEY].earned == Earned()
        assert state.tallies == (
            Tally(NOVEMBER, 9_000, 0, "02", {"levels": 900}, 1, 900),
            Tally(f"{MIDDLE}/2026-11/CNY", 0, 0, "02", {"levels": 450}, 0, 450),
            Tally(f"{TOP}/2026-11/CNY", 0, 0, "02", {"levels": 270}, 0, 270),
        )

    def test_they_include_orders_under_earlier_rules(self) -> None:
        known = accounts(rules(1), replace(self.CAPPED, rule_version=2))

        plain = accrue(known, message(paid(order_id="1"))).state
        capped = accrue(plain, message(paid(order_id="2", rule_version=2))).state

        commission = capped.commissions[f"{SHOP}/2"]
        assert commission.earned.own_sales_minor == {SELLER: 9_000}
        assert commission.earned.month_minor == {"levels": {SELLER: 900, MIDDLE: 450, TOP: 270}}
        assert [(entry.plan, entry.amount_minor) for entry in commission.entries] == [("levels", 600), ("sellers", 450)]

    def test_they_are_separate_for_each_market(self) -> None:
        west = replace(self.CAPPED, rule_version=2, terms=replace(self.CAPPED.terms, market="west"))

        east = accrue(accounts(self.CAPPED, west), message(paid(order_id="1"))).state
        both = accrue(east, message(paid(order_id="2", rule_version=2))).state

        commission = both.commissions[f"{SHOP}/2"]
        assert commission.market == "west"
        assert commission.earned == Earned(day_minor={"levels": {}}, month_minor={"levels": {}})
        assert list(increments_of(both.tallies)) == [NOVEMBER, f"{NOVEMBER}/west"]

    @pytest.mark.parametrize(
        ("taken_back", "refunded_minor"),
        [((take_back, refunded(order_id="1")), 4_500), ((take_back_all, cancelled(order_id="1")), 9_000)],
    )
    @pytest.mark.parametrize("before_the_payment", [False, True])
    def test_refunds_reduce_own_sales(
        self, taken_back: tuple[Any, Any], refunded_minor: int, before_the_payment: bool
    ) -> None:
        steps = [(accrue, paid(order_id="1")), taken_back]
        state = accounts(self.CAPPED)
        for rule, payload in reversed(steps) if before_the_payment else steps:
            state = rule(state, message(payload)).state

        earned = accrue(state, message(paid(order_id="2"))).state.commissions[f"{SHOP}/2"].earned

        left = {SELLER: 9_000 - refunded_minor} if refunded_minor < 9_000 else {}
        assert (earned.own_sales_minor, earned.own_refunded_minor) == (left, {SELLER: refunded_minor})

    def test_the_second_order_of_a_batch_sees_the_earnings_of_the_first(self) -> None:
        first = accrue(accounts(self.CAPPED), message(paid(order_id="1"))).state
        second = accrue(first, message(paid(order_id="2"))).state
        third = accrue(second, message(paid(order_id="3", placed_at=NOW + timedelta(days=1)))).state

        paid_entries = {
            key: [(entry.plan, entry.amount_minor, entry.limited_by) for entry in commission.entries]
            for key, commission in third.commissions.items()
        }
        assert paid_entries == {
            f"{SHOP}/1": [("levels", 900, None)],
            f"{SHOP}/2": [("levels", 600, "day"), ("sellers", 450, None)],
            f"{SHOP}/3": [("levels", 900, None), ("sellers", 450, None)],
        }
        assert third.commissions[f"{SHOP}/2"].earned == Earned(
            {SELLER: 9_000}, {"levels": {SELLER: 900}}, {"levels": {SELLER: 900}}
        )
        assert third.commissions[f"{SHOP}/3"].earned == Earned(
            {SELLER: 18_000}, {"levels": {}}, {"levels": {SELLER: 1_500}}
        )
        assert increments_of(third.tallies) == {
            NOVEMBER: {
                "own_sales_minor": 27_000,
                "paid_minor.02.levels": 1_500,
                "paid_minor.02.sellers": 450,
                "paid_minor.03.levels": 900,
                "paid_minor.03.sellers": 450,
                "orders": 3,
                "booked_minor": 3_300,
            }
        }

    def test_the_month_is_that_of_the_order_not_of_its_payment(self) -> None:
        october = NOW.replace(month=10)
        state = accrue(accounts(self.CAPPED), message(paid(placed_at=october))).state

        assert increments_of(state.tallies) == {
            f"{SELLER}/2026-10/CNY": {"own_sales_minor": 9_000, "paid_minor.02.levels": 900, "orders": 1},
            NOVEMBER: {"booked_minor": 900},
        }

    def test_a_clawback_reopens_no_cap(self) -> None:
        accrued = accrue(accounts(self.CAPPED), message(paid())).state

        after = take_back_all(accrued, message(cancelled())).state

        taken = (Tally(NOVEMBER, own_refunded_minor=9_000), Tally(NOVEMBER, booked_minor=-900))
        assert after.tallies == (*accrued.tallies, *taken)

    def test_stored_earnings_and_the_order_are_added_up(self) -> None:
        stored = {NOVEMBER: Earnings(8_000, 500, {("01", "levels"): 2_400}, {"levels": 2_400})}

        commission = accrue(accounts(self.CAPPED, earnings=stored), message(paid())).state.commissions[KEY]

        assert commission.earned == Earned({SELLER: 7_500}, {"levels": {}}, {"levels": {SELLER: 2_400}}, {SELLER: 500})
        assert [(entry.plan, entry.amount_minor) for entry in commission.entries] == [("levels", 100), ("sellers", 450)]


class TestEventsBeforeTheAccrual:
    def test_they_are_noted_and_applied_at_the_accrual(self) -> None:
        after_sale = AfterSaleChanged(shop_id=SHOP, order_id=ORDER, version=6, open=False)
        state = accounts()
        early: list[tuple[Callable[..., Any], Any]] = [
            (take_back, refunded(a_refunded_line(refunded_quantity=2, refunded="90.00"), version=7, refund_id="r-2")),
            (take_back, refunded(version=4, refund_id="r-1")),
            (start_hold, completed(version=5)),
            (note_after_sale, after_sale),
        ]
        for rule, payload in early:
            decision = rule(state, message(payload, id=f"m-{payload.version}"))
            assert (decision.publish, decision.outcome) == ((), "noted")
            state = decision.state
        assert state.commissions == {}

        decision = accrue(state, message(paid(version=3), id="m-paid"))

        commission = decision.state.commissions[KEY]
        assert [reversal.reference for reversal in commission.reversals] == ["r-1", "r-2"]
        assert [reversal.amounts_minor for reversal in commission.reversals] == [(-450, -225, -135)] * 2
        assert commission.remaining_minor() == (0, 0, 0)
        assert commission.after_sale == AfterSale(6, False, NOW)
        assert commission.release_at == NOW + timedelta(days=7)
        assert [posting.posting_id for posting in decision.state.postings] == ["m-paid", "m-4", "m-7"]
        assert [type(event) for event in decision.publish] == [
            CommissionAccrued,
            CommissionReversed,
            CommissionReversed,
        ]
        assert decision.state.notices[KEY].accrued

    @pytest.mark.parametrize(
        ("rule", "payload"),
        [
            (take_back, refunded()),
            (take_back_all, cancelled()),
            (start_hold, completed()),
            (note_after_sale, AfterSaleChanged(shop_id=SHOP, order_id=ORDER, version=6, open=True)),
        ],
    )
    def test_an_event_is_noted_once(self, rule: Any, payload: Any) -> None:
        noted = rule(accounts(), message(payload)).state

        assert rule(noted, message(payload, id="resent")) == Decision(noted, outcome="duplicate")

    def test_a_cancellation_takes_back_what_the_refunds_left(self) -> None:
        noted = take_back_all(take_back(accounts(), message(refunded(version=4))).state, message(cancelled(version=5)))

        commission = accrue(noted.state, message(paid())).state.commissions[KEY]

        assert commission.remaining_minor() == (0, 0, 0)
        assert [reversal.reference for reversal in commission.reversals] == ["refund-1", "cancelled"]


def test_an_order_is_accrued_once() -> None:
    known = accounts(commissions={KEY: THE_COMMISSION})

    assert accrue(known, message(paid(version=3))) == Decision(known, outcome="duplicate")


def test_an_order_before_its_rules_is_retried() -> None:
    assert accrue(accounts(), message(paid(rule_version=2))) == NotYet("rules_unknown")


def test_unpaid_uplines_are_recorded_with_the_reason() -> None:
    chain = an_upline(SELLER, MIDDLE, TOP, 4, 5, inactive=[MIDDLE])

    commission = accrue(accounts(), message(paid(upline=chain))).state.commissions[KEY]

    assert commission.unpaid == (
        Unpaid("levels", "inactive", (), (Passed(2, MIDDLE),)),
        Unpaid("levels", "beyond_last_level", (), (Passed(4, 4), Passed(5, 5))),
    )
