"""How the shares of a line are rounded together and recorded: worked examples, calculated on paper."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contracts.commissions.view import Earned, Entry, Passed, Unpaid
from contracts.plans.calculation import Needs, Outcome, Sale, calculate, needs
from contracts.plans.plans import TERMS_KEPT_MAX, compiled
from contracts.rules.view import Conditions, Override, Terms
from tests.unit.sales import (
    CUP,
    CUPS,
    GRAND_SPONSOR,
    LEADER,
    POT,
    SELLER,
    SPONSOR,
    TEA,
    TEAS,
    a_line,
    a_sale,
    caps,
    differential,
    fixed,
    leader,
    money,
    outcome,
    rates,
    results,
    team_bonus,
    terms,
    unilevel,
)


class TestAnEntryCanBeRecomputed:
    def test_a_percentage(self) -> None:
        sale = a_sale(a_line("0.55", line=3, product_id=CUP, category_id=CUPS, quantity=4), tiers="gold, silver")

        calculated = outcome(sale, unilevel("10% 5%"))

        # 5.5 + 2.75 = 8.25, so 8: the unit left goes to .75.
        assert calculated == Outcome(
            pools_minor=(11,),
            entries=(
                Entry(3, CUP, "levels", 1, SELLER, "gold", 55, 4, 100_000, 0, 5, 0),
                Entry(3, CUP, "levels", 2, SPONSOR, "silver", 55, 4, 50_000, 0, 3, 1),
            ),
            unpaid=(),
        )

    def test_a_fixed_amount(self) -> None:
        calculated = outcome(a_sale(a_line("90.00", quantity=3), tiers="gold"), fixed({"CNY": "0.50"}))

        assert calculated.entries == (Entry(1, TEA, "units", 1, SELLER, "gold", 9_000, 3, 0, 50, 150, 0),)

    def test_a_capped_share(self) -> None:
        calculated = outcome(a_sale(a_line("0.55")), unilevel("10%", caps=caps(entry="CNY 0.05")))

        # 5.5 cut to 5: nothing to round.
        assert calculated.entries == (Entry(1, TEA, "levels", 1, SELLER, "standard", 55, 1, 100_000, 0, 5, 0, "entry"),)


def test_shares_of_all_plans_of_a_line_are_rounded_together() -> None:
    # 0.55: 5.5 (levels 1) + 1.1 (levels 2) + 1.65 (tiers) + 0.55 (team) = 8.8, so 9; 5 + 1 + 1 + 0 leaves 2:
    # one to .65, one to .55; the .5 of the first plan gets none.
    sale = a_sale(a_line("0.55"), tiers="standard, standard", leading=leader())

    calculated = outcome(sale, unilevel("10% 2%"), differential("standard 3%"), team_bonus("1%"))

    assert [(entry.plan, entry.level, entry.amount_minor, entry.rounding) for entry in calculated.entries] == [
        ("levels", 1, 5, 0),
        ("levels", 2, 1, 0),
        ("tiers", 1, 2, 1),
        ("team", 0, 1, 1),
    ]


def test_equal_fractions_of_two_plans_go_to_the_earlier_plan() -> None:
    first, second = unilevel("5%"), unilevel("5%", name="more")
    sale = a_sale(a_line("0.10"))

    assert results(sale, outcome(sale, first, second), first) == "0.01"
    assert results(sale, outcome(sale, first, second), second) == "rounded_to_nothing"
    assert results(sale, outcome(sale, second, first), second) == "0.01"
    assert results(sale, outcome(sale, second, first), first) == "rounded_to_nothing"


def test_entries_are_sorted_by_line_plan_and_level() -> None:
    sale = a_sale(a_line(line=1), a_line(line=2), tiers="standard, gold", leading=leader())

    calculated = outcome(sale, team_bonus(), differential(), unilevel("1% 1%"))

    of_a_line = [("team", 0), ("tiers", 1), ("tiers", 2), ("levels", 1), ("levels", 2)]
    assert [(entry.line, entry.plan, entry.level) for entry in calculated.entries] == [
        (line, plan, level) for line in (1, 2) for plan, level in of_a_line
    ]


class TestUnpaid:
    def test_the_same_reason_on_all_lines_is_one_record_without_lines(self) -> None:
        sale = a_sale(a_line(), a_line(line=2), tiers="standard, (standard), standard, standard, (gold)")

        assert outcome(sale, unilevel("10% 5%")).unpaid == (
            Unpaid("levels", "inactive", (), (Passed(2, SPONSOR), Passed(5, 105))),
            Unpaid("levels", "beyond_last_level", (), (Passed(3, GRAND_SPONSOR), Passed(4, 104))),
        )

    def test_different_lines_are_different_records(self) -> None:
        longer = unilevel("10%", overrides=(Override(rates("5% 5%"), product_id=TEA),))
        sale = a_sale(
            a_line(),
            a_line(line=2, product_id=POT),
            a_line(line=3),
            a_line(line=4, product_id=CUP),
            tiers="standard, standard, standard, standard",
        )

        assert outcome(sale, longer).unpaid == (
            Unpaid("levels", "beyond_last_level", (2, 4), (Passed(2, SPONSOR),)),
            Unpaid("levels", "beyond_last_level", (), (Passed(3, GRAND_SPONSOR), Passed(4, 104))),
        )

    def test_the_lines_of_a_record_are_in_order(self) -> None:
        covered = unilevel("10%", conditions=Conditions(products=(TEA,)))
        sale = a_sale(
            a_line(product_id=CUP), a_line("0.02", line=2), a_line(line=3, product_id=CUP), a_line("0.01", line=4)
        )

        assert outcome(sale, covered, pool="100%").unpaid == (
            Unpaid("levels", "not_covered", (1, 3), (Passed(1, SELLER),)),
            Unpaid("levels", "rounded_to_nothing", (2, 4), (Passed(1, SELLER),)),
        )

    def test_lines_beyond_the_last_level_of_some_overrides_are_in_order(self) -> None:
        plan = unilevel(
            "10% 5%",
            overrides=(Override(rates("1%"), product_id=TEA), Override(rates("2%"), category_id=CUPS)),
        )
        sale = a_sale(
            a_line(line=1, product_id=TEA),
            a_line(line=2, product_id=CUP, category_id=CUPS),
            a_line(line=3, product_id=TEA),
            a_line(line=4, product_id=POT),
            tiers="standard, standard",
        )

        assert outcome(sale, plan).unpaid == (Unpaid("levels", "beyond_last_level", (1, 2, 3), (Passed(2, SPONSOR),)),)

    def test_records_are_sorted_by_plan_and_level(self) -> None:
        sale = a_sale(tiers="standard, (standard), standard", leading=leader("(gold)"))

        assert outcome(sale, team_bonus(), unilevel("0% 5%"), differential()).unpaid == (
            Unpaid("team", "inactive", (), (Passed(0, LEADER),)),
            Unpaid("levels", "no_rate_at_level", (), (Passed(1, SELLER),)),
            Unpaid("levels", "inactive", (), (Passed(2, SPONSOR),)),
            Unpaid("levels", "beyond_last_level", (), (Passed(3, GRAND_SPONSOR),)),
            Unpaid("tiers", "inactive", (), (Passed(2, SPONSOR),)),
            Unpaid("tiers", "not_above_tiers_below", (), (Passed(3, GRAND_SPONSOR),)),
        )

    def test_an_upline_may_have_a_different_reason_on_each_line(self) -> None:
        plan = unilevel(
            "10%",
            caps=caps(order="CNY 9.00"),
            minimum=money("CNY 0.50"),
            conditions=Conditions(categories=(TEAS,)),
        )
        sale = a_sale(
            a_line("1.00", line=1),
            a_line("90.00", line=2),
            a_line("90.00", line=3),
            a_line("90.00", line=4, category_id=CUPS),
        )

        assert outcome(sale, plan).unpaid == (
            Unpaid("levels", "below_minimum", (1,), (Passed(1, SELLER),)),
            Unpaid("levels", "cap_reached", (3,), (Passed(1, SELLER),)),
            Unpaid("levels", "not_covered", (4,), (Passed(1, SELLER),)),
        )


def test_an_order_without_lines_has_no_entries() -> None:
    assert calculate(terms(unilevel("10%")), Sale("CNY", (), a_sale().upline), Earned()) == Outcome((), (), ())


class TestNeeds:
    def test_plain_terms_need_nothing(self) -> None:
        plain = terms(unilevel("10%", caps=caps(entry="CNY 1.00", order="CNY 1.00")), team_bonus())

        assert needs(plain) == Needs(own_sales=False, day=frozenset(), month=frozenset())

    def test_plans_are_listed_by_name(self) -> None:
        demanding = terms(
            unilevel("10%", caps=caps(day="CNY 1.00")),
            differential(caps=caps(month="JPY 1")),
            fixed({"CNY": "1.00"}, caps=caps(day="CNY 1.00", month="CNY 1.00")),
            team_bonus(conditions=Conditions(own_sales_min=money("CNY 1.00"))),
        )

        assert needs(demanding) == Needs(
            own_sales=True, day=frozenset({"levels", "units"}), month=frozenset({"tiers", "units"})
        )


class _Counted(tuple[Override, ...]):
    """Overrides that count how often they are iterated."""

    iterations = 0

    def __iter__(self) -> Iterator[Override]:
        type(self).iterations += 1
        return super().__iter__()


class TestRulesAreCompiledOnce:
    def test_overrides_are_read_once_for_each_currency(self) -> None:
        _Counted.iterations = 0
        many = _Counted(Override(rates("5%"), product_id=product_id) for product_id in range(1, 1_000))
        rules = terms(unilevel("10%", overrides=many))

        for _ in range(3):
            calculate(rules, a_sale(), Earned())
        assert _Counted.iterations == 1

        calculate(rules, a_sale(currency="EUR"), Earned())
        assert _Counted.iterations == 2

    def test_equal_rules_are_compiled_separately(self) -> None:
        one, same = terms(unilevel("10%")), terms(unilevel("10%"))
        other = terms(unilevel("5%"))

        assert compiled(one, "CNY") is compiled(one, "CNY")
        assert compiled(one, "CNY") is not compiled(same, "CNY")
        assert compiled(one, "CNY") is not compiled(one, "JPY")
        assert [calculate(t, a_sale(), Earned()).entries[0].amount_minor for t in (one, same, other)] == [900, 900, 450]

    def test_the_number_of_compiled_rules_is_limited(self) -> None:
        first = terms(unilevel("10%"))
        before = compiled(first, "CNY")
        kept: list[Any] = [(t, compiled(t, "CNY")) for t in _many_terms(TERMS_KEPT_MAX - 1)]
        assert compiled(first, "CNY") is before

        kept += [(t, compiled(t, "CNY")) for t in _many_terms(TERMS_KEPT_MAX)]

        assert compiled(first, "CNY") is not before


def _many_terms(count: int) -> list[Terms]:
    return [terms(unilevel("10%")) for _ in range(count)]
