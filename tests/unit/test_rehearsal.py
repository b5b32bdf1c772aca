"""A rehearsal books the same as the workers would, counts it net of refunds, and writes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from contracts.plans.sale import Earner, Sale, SaleLine
from contracts.rules.view import (
    Caps,
    Conditions,
    Market,
    TeamBonus,
)
from infra.auditing.audit import LINES_TOGETHER
from infra.rehearsal.backtest import backtest
from infra.rehearsal.comparison import THIN_LINES_SHOWN_MAX, Comparison, gains_and_losses
from infra.rehearsal.orders import SLICE_ORDERS, Paid, PastOrder, past_order, past_orders
from infra.rehearsal.promise import Promise
from infra.rehearsal.view import as_object
from tests.bench.stored_orders import CURRENCY, RULE_VERSION, TERMS
from tests.oracle import oracle
from tests.oracle.documents import written
from tests.oracle.reading import read
from tests.oracle.terms import terms_of
from tests.oracle.worlds import Network, RunningBooks, best_selling, categories_of_products
from tests.unit.past import (
    FIRST,
    JANUARY,
    LAST,
    a_commission,
    a_past,
    a_store,
    an_order,
    everything,
    levels,
    markets_codec,
    money_of,
    rules,
    shown,
    terms,
    the_baskets,
    the_past,
)

pytestmark = pytest.mark.slow


class TestPastOrders:
    def test_a_partly_refunded_line_keeps_the_rest(self) -> None:
        order = an_order()
        order["lines"][0] |= {"quantity": 4, "refunded_quantity": 1, "refunded_minor": 2_500}
        past = past_order(order)

        assert (past.net_minor, past.kept_minor) == (10_000, 7_500)
        assert past.refunds[1].refunded_quantity == 1
        assert past.sale.lines == (SaleLine(1, 501, 7, 4, 10_000),)

    async def test_a_slice_has_few_orders_with_many_lines(self) -> None:
        """A shop may make 500 lines of each order, and two hundred times as much of each commission."""
        large = an_order()["lines"] * 500
        moments = [JANUARY + timedelta(seconds=number) for number in range(2 * LINES_TOGETHER // 500 + 1)]
        orders = [an_order(f"shop-1/{at:%S}", placed_at=at, lines=large) for at in moments]

        store = a_store(orders=orders, commissions=[a_commission(order["_id"], (3, 100)) for order in orders])
        slices = [found async for found in past_orders(store, {}, JANUARY, JANUARY + timedelta(days=1))]

        assert [len(found) for found in slices] == [LINES_TOGETHER // 500, LINES_TOGETHER // 500, 1]
        assert all(order.booked for found in slices for order in found)

    def test_a_cancelled_order_is_refunded_completely(self) -> None:
        past = past_order(an_order(status="cancelled"))
        assert (past.kept_minor, past.refunds[1].refunded_minor, past.refunds[1].refunded_quantity) == (0, 10_000, 1)

    def test_the_leader_of_the_team_is_read_from_the_order(self) -> None:
        team = {"team_id": 5, "leader_id": 9, "leader_tier": "gold", "leader_active": False}
        assert past_order(an_order(team=team)).sale.leader == Earner(0, 9, "gold", False)
        assert past_order(an_order()).sale.leader is None


class TestPromise:
    def test_entries_and_clawbacks_equal_those_of_the_workers(self) -> None:
        orders, commissions, _ = a_past()
        booked = {commission["_id"]: commission for commission in commissions}
        promise = Promise(lambda order: TERMS)
        with_refunds = 0
        for document in orders:
            if document["_id"] not in booked:
                continue
            commission = booked[document["_id"]]
            left = [entry["amount_minor"] for entry in commission["entries"]]
            for reversal in commission["reversals"]:
                with_refunds += 1
                left = [minor + change for minor, change in zip(left, reversal["amounts_minor"], strict=True)]
            expected = [
                (entry["line"], entry["plan"], entry["distributor_id"], entry["amount_minor"], left_minor)
                for entry, left_minor in zip(commission["entries"], left, strict=True)
            ]
            assert money_of(promise.book(past_order(document))) == expected
        assert with_refunds > 20

    def test_running_figures_agree_with_the_oracle_to_the_cent(self) -> None:
        """Daily and monthly caps, and own sales, are compared with the oracle's simple books."""
        bought = [basket for basket in the_baskets() if basket.orderable][:400]
        categories = categories_of_products()
        network = Network(60, seed=4)
        for document in written(*best_selling(bought, categories, 10)):
            books, promised = RunningBooks(), terms_of(document)
            promise = Promise(lambda order, promised=promised: promised)  # type: ignore[misc]
            for basket in bought:
                order = network.order(basket, CURRENCY, categories)
                answer = oracle.recalculate(read(document), order, books.before(order))
                lines = tuple(SaleLine(**line) for line in order["lines"])
                upline = tuple(Earner(level, **person) for level, person in enumerate(order["chain"], 1))
                leader = Earner(0, **order["leader"]) if order["leader"] else None
                net_minor = sum(line.net_minor for line in lines)
                sale = Sale(CURRENCY, lines, upline, leader)
                past = PastOrder(basket.key, basket.placed_at, 1, sale, {}, net_minor, net_minor)
                booked = {(p.line, p.plan, p.distributor_id, p.amount_minor) for p in promise.book(past)}
                assert booked == {(line, plan, who, amount) for (line, plan, _, who), amount in answer.entries.items()}
                books.enter(order, answer)

    def test_caps_are_reset_by_a_new_month_and_a_new_day(self) -> None:
        capped = Promise(
            lambda order: terms(levels(100_000, caps=Caps(month={CURRENCY: 1_500}, day={CURRENCY: 1_200})))
        )
        days = [datetime(2017, 1, 30), datetime(2017, 1, 30), datetime(2017, 1, 31), datetime(2017, 2, 1)]  # noqa: DTZ001
        got = [
            sum(paid.amount_minor for paid in capped.book(past_order(an_order(placed_at=day.replace(tzinfo=UTC)))))
            for day in days
        ]
        assert got == [1_000, 200, 300, 1_000]

    def test_currencies_have_separate_caps(self) -> None:
        capped = Promise(lambda order: terms(levels(100_000, caps=Caps(month={CURRENCY: 1_500, "EUR": 1_500}))))
        got = [
            sum(paid.amount_minor for paid in capped.book(past_order(an_order(currency=currency))))
            for currency in (CURRENCY, "EUR", CURRENCY, "EUR")
        ]
        assert got == [1_000, 1_000, 500, 500]

    def test_markets_have_separate_caps(self) -> None:
        plan = levels(100_000, caps=Caps(month={CURRENCY: 1_500}))
        by_version = {1: terms(plan), 2: replace(terms(plan), market="west")}
        capped = Promise(lambda order: by_version[order.rule_version])
        got = [
            sum(paid.amount_minor for paid in capped.book(past_order(an_order(rule_version=version))))
            for version in (1, 2, 1, 2)
        ]
        assert got == [1_000, 1_000, 500, 500]

    def test_a_cap_that_begins_in_mid_month_counts_earlier_entries(self) -> None:
        by_version = {1: terms(levels(100_000)), 2: terms(levels(100_000, caps=Caps(month={CURRENCY: 1_500})))}
        capped = Promise(lambda order: by_version[order.rule_version])
        got = [
            sum(paid.amount_minor for paid in capped.book(past_order(an_order(rule_version=version))))
            for version in (1, 2, 2)
        ]
        assert got == [1_000, 500, 0]

    def test_refunded_own_sales_do_not_qualify(self) -> None:
        promise = Promise(lambda order: terms(levels(100_000, conditions=Conditions(own_sales_min={CURRENCY: 20_000}))))
        got = [
            sum(paid.amount_minor for paid in promise.book(past_order(an_order(status=status))))
            for status in ("cancelled", "paid", "paid")
        ]
        assert got == [0, 0, 1_000]


class TestBacktest:
    async def test_a_draft_equal_to_the_active_rules_changes_no_figure_and_writes_nothing(self) -> None:
        store = the_past()
        before = everything(store)

        found = await backtest(store, TERMS, FIRST, LAST)

        _, commissions, _ = a_past()
        comparison = found.by_currency[CURRENCY]
        assert found.orders == comparison.orders == len(commissions) > 2 * SLICE_ORDERS
        assert comparison.before_minor == comparison.after_minor > 0
        assert comparison.plans_before == comparison.plans_after
        assert {change.change_minor for change in comparison.changes()} == {0}
        assert everything(store) == before

    async def test_the_figures_add_up(self) -> None:
        draft = terms(levels(60_000, 20_000, caps=Caps(month={CURRENCY: 1_000})), TeamBonus("team", 20_000))
        found = await backtest(the_past(), draft, FIRST, LAST)

        comparison = found.by_currency[CURRENCY]
        for before, after in (
            (sum(c.before_minor for c in comparison.changes()), sum(c.after_minor for c in comparison.changes())),
            (comparison.plans_before.total(), comparison.plans_after.total()),
            (
                sum(month.before_minor for month in comparison.by_month.values()),
                sum(month.after_minor for month in comparison.by_month.values()),
            ),
        ):
            assert (before, after) == (comparison.before_minor, comparison.after_minor)
        booked = sum(entry["amount_minor"] for commission in a_past()[1] for entry in commission["entries"]) + sum(
            minor for c in a_past()[1] for reversal in c["reversals"] for minor in reversal["amounts_minor"]
        )
        assert comparison.before_minor == booked
        assert sum(month.sales_minor for month in comparison.by_month.values()) == comparison.sales_minor
        plain = as_object(found)["currencies"][CURRENCY]
        assert float(plain["change"]) == pytest.approx(sum(float(d["change"]) for d in plain["distributors"]))
        assert plain["gaining"] + plain["losing"] <= len(plain["distributors"])

    async def test_caps_count_earlier_orders_of_the_first_month(self) -> None:
        orders = [an_order(f"shop-1/{day}", placed_at=datetime(2017, 1, day, 23, tzinfo=UTC)) for day in (2, 9, 16, 17)]
        commissions = [a_commission(order["_id"], (3, 100)) for order in orders]
        store = a_store(orders=orders, commissions=commissions, rules=[rules(RULE_VERSION, terms(levels(10_000)))])
        draft = terms(levels(100_000, caps=Caps(month={CURRENCY: 2_500})))

        found = await backtest(store, draft, date(2017, 1, 10), date(2017, 1, 16))

        comparison = found.by_currency[CURRENCY]
        assert (found.orders, comparison.before_minor, comparison.after_minor) == (1, 100, 500)

    @pytest.mark.parametrize(
        ("caps", "first", "after_minor"),
        [(Caps(day={CURRENCY: 1_500}), date(2017, 1, 15), 500 + 1_000), (Caps(), date(2017, 1, 15), 2_000)],
    )
    async def test_whole_days_are_counted(self, caps: Caps, first: date, after_minor: int) -> None:
        moments = [
            JANUARY - timedelta(days=1),
            JANUARY,
            JANUARY.replace(hour=23, minute=59),
            JANUARY + timedelta(days=1),
        ]
        orders = [an_order(f"shop-1/{number}", placed_at=moment) for number, moment in enumerate(moments)]
        commissions = [a_commission(order["_id"], (3, 100)) for order in orders]
        store = a_store(orders=orders, commissions=commissions)

        found = await backtest(store, terms(levels(100_000, caps=caps)), first, first)

        assert found.orders == 2
        assert found.by_currency[CURRENCY].after_minor == after_minor

    async def test_omitted_orders_are_counted(self) -> None:
        store = a_store(
            orders=[
                an_order("shop-1/paid"),
                an_order("shop-1/fresh"),
                an_order("shop-1/elsewhere", rule_version=2),
                an_order("shop-1/pending", status="pending"),
                an_order("shop-1/rejected", status="rejected"),
                an_order("shop-1/cancelled", status="cancelled"),
                an_order("shop-1/cancelled-late", status="cancelled"),
            ],
            commissions=[
                a_commission("shop-1/paid", (3, 500)),
                a_commission("shop-1/elsewhere", (3, 500)),
                a_commission("shop-1/cancelled-late"),
            ],
            rules=[rules(1, terms(levels(50_000))), rules(2, terms(levels(50_000), market="eu"))],
        )
        found = await backtest(store, terms(levels(60_000)), FIRST, LAST)

        assert (found.orders, found.not_booked, found.other_markets) == (2, 1, 1)
        comparison = found.by_currency[CURRENCY]
        assert (comparison.sales_minor, comparison.before_minor, comparison.after_minor) == (10_000, 500, 600)

    async def test_breaches_of_the_market_are_reported(self) -> None:
        market = markets_codec.to_document(Market("eu", levels_paid_max=1, clauses={"levels_paid_max": "Article 7"}))
        deep = terms(levels(10_000, 10_000, 10_000), market="eu")

        allowed = await backtest(a_store(), terms(levels(10_000, 10_000)), FIRST, LAST)
        refused = await backtest(a_store(markets=[market]), deep, FIRST, LAST)
        unknown = await backtest(a_store(), deep, FIRST, LAST)

        assert (allowed.breaches, allowed.market_is_known) == ((), True)
        assert [(b.limit, b.clause) for b in refused.breaches] == [("levels_paid_max", "Article 7")]
        assert (unknown.breaches, unknown.market_is_known) == ((), False)
        assert "Article 7" in shown(refused)
        assert "is not defined" in shown(unknown)

    async def test_progress_is_reported_after_each_slice(self) -> None:
        calls: list[tuple[int, datetime]] = []
        found = await backtest(the_past(), TERMS, FIRST, LAST, on_progress=lambda *call: calls.append(call))

        assert len(calls) == found.orders // SLICE_ORDERS + 1
        assert calls == sorted(calls)
        assert calls[-1][0] == found.orders


class TestComparison:
    def test_lines_below_the_margin_floor_are_thin(self) -> None:
        comparison = Comparison(margin_floor_ppm=900_000)
        past = past_order(an_order())
        for after_minor in (999, 1_000, 1_001, 1_500, *[1_100] * THIN_LINES_SHOWN_MAX):
            comparison.add(past, [Paid(1, "direct", 3, 1_001, 0)], [Paid(1, "direct", 3, after_minor, 0)])

        assert comparison.thin_before == comparison.orders == 4 + THIN_LINES_SHOWN_MAX
        assert comparison.thin_after == 2 + THIN_LINES_SHOWN_MAX
        thinnest = comparison.thinnest()
        assert len(thinnest) == THIN_LINES_SHOWN_MAX
        assert [line.commission_minor for line in thinnest[:2]] == [1_500, 1_100]
        assert thinnest[0].margin_ppm == 850_000

    def test_gains_and_losses_are_sorted_by_size(self) -> None:
        comparison = Comparison()
        for who, before, after in ((1, 5, 9), (2, 9, 5), (3, 4, 4), (4, 0, 7), (5, 8, 0), (6, 5, 9)):
            comparison.add(
                past_order(an_order()), [Paid(1, "p", who, before, before)], [Paid(1, "p", who, after, after)]
            )

        gains, losses = gains_and_losses(comparison.changes())

        assert [change.distributor_id for change in gains] == [4, 1, 6]
        assert [change.distributor_id for change in losses] == [5, 2]
