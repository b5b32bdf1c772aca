"""A distributor's month: whose it is, what it adds up to over its stripes, and what older documents of it say."""

from __future__ import annotations

from dataclasses import replace

from contracts.commissions.earnings import (
    Earnings,
    Tally,
    earnings_id,
    earnings_key,
    increments_of,
    months_of,
    tallies_of,
)
from tests.builders import NOW, SELLER
from tests.unit.test_commission_accrual import THE_COMMISSION

KEY = f"{SELLER}/2026-11/CNY"


def test_the_default_market_keeps_its_key_and_every_other_has_its_own() -> None:
    assert earnings_key(SELLER, NOW, "CNY", "default") == KEY
    assert earnings_key(SELLER, NOW, "CNY", "west") == f"{KEY}/west"
    assert [earnings_id(f"{KEY}/west", stripe) for stripe in (0, 3)] == [f"{KEY}/west", f"{KEY}/west#3"]


def test_a_month_is_the_sum_of_its_stripes() -> None:
    documents = [
        {"_id": KEY, "own_sales_minor": 5, "paid_minor": {"02": {"levels": 7}}},
        {"_id": f"{KEY}#3", "own_refunded_minor": 2, "paid_minor": {"02": {"levels": 1}, "03": {"levels": 10}}},
        {"_id": f"{KEY}/west", "own_sales_minor": 9},
    ]
    assert months_of(documents) == {
        KEY: Earnings(5, 2, {("02", "levels"): 8, ("03", "levels"): 10}, {"levels": 18}),
        f"{KEY}/west": Earnings(9),
    }


def test_sums_of_an_older_document_count_once() -> None:
    """Both of its sums are of the same payments; later payments of any plan stand beside them."""
    older = {"_id": KEY, "own_sales_minor": 5, "month_minor": {"levels": 30}, "day_minor": {"02": {"levels": 20}}}

    month = months_of([older, {"_id": f"{KEY}#1", "paid_minor": {"02": {"levels": 1}}}])[KEY]

    assert (month.own_sales_minor, dict(month.day_minor), dict(month.month_minor)) == (
        5,
        {("02", "levels"): 21},
        {"levels": 31},
    )


def test_a_change_that_gives_nothing_back_adds_nothing() -> None:
    released = replace(THE_COMMISSION, status="released")
    assert list(tallies_of(THE_COMMISSION, released)) == []
    assert list(tallies_of(THE_COMMISSION, replace(released, lines=(*released.lines,)))) == []


def test_tallies_of_one_month_are_added_up_and_zeros_left_out() -> None:
    tallies = (Tally(KEY, 5, 0, "02", {"levels": 1}), Tally(KEY, 0, 2, "02", {"levels": 2}), Tally("9/2026-11/CNY"))
    assert increments_of(tallies) == {
        KEY: {"own_sales_minor": 5, "own_refunded_minor": 2, "paid_minor.02.levels": 3},
    }
