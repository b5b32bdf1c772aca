"""Earnings of a distributor's month: keys, sums over its stripes, and older documents."""

from __future__ import annotations

from dataclasses import replace

from contracts.commissions.earnings import (
    Bookings,
    Earnings,
    Tally,
    currency_of,
    earnings_id,
    earnings_key,
    in_month,
    increments_of,
    months_of,
    tallies_of,
)
from contracts.commissions.view import Leg, Posting, Reversal
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
    """Both of its sums count the same payments; later payments are stored beside them."""
    older = {"_id": KEY, "own_sales_minor": 5, "month_minor": {"levels": 30}, "day_minor": {"02": {"levels": 20}}}

    month = months_of([older, {"_id": f"{KEY}#1", "paid_minor": {"02": {"levels": 1}}}])[KEY]

    assert (month.own_sales_minor, dict(month.day_minor), dict(month.month_minor)) == (
        5,
        {("02", "levels"): 21},
        {"levels": 31},
    )


def test_a_change_without_a_refund_adds_nothing() -> None:
    released = replace(THE_COMMISSION, status="released")
    assert list(tallies_of(THE_COMMISSION, released)) == []
    assert list(tallies_of(THE_COMMISSION, replace(released, lines=(*released.lines,)))) == []


def test_postings_and_commissions_agree_on_each_month() -> None:
    december = NOW.replace(month=12)
    reversal = Reversal("refund-1", "order_refunded", december, "held", (-400, -200, -100))
    lines = tuple(replace(line, refunded_minor=1) for line in THE_COMMISSION.lines)
    after = replace(THE_COMMISSION, reversals=(reversal,), lines=lines)
    earners = [entry.distributor_id for entry in after.entries]
    paid = tuple(Leg("held", entry.amount_minor, entry.distributor_id) for entry in after.entries)
    taken = tuple(Leg("held", amount, d) for d, amount in zip(earners, reversal.amounts_minor, strict=True))

    increments = increments_of([*tallies_of(None, THE_COMMISSION), *tallies_of(THE_COMMISSION, after)])

    assert increments == increments_of(tallies_of(None, after))
    assert increments[f"{SELLER}/2026-12/CNY"] == {"booked_minor": -400}

    def faults(december: str) -> list[int]:
        bookings = Bookings()
        bookings.post(Posting("1", after.key, "CNY", after.accrued_at, "accrual", (*paid, Leg("pool", -1))))
        bookings.post(Posting("2", after.key, "CNY", reversal.at, "reversal", taken))
        bookings.post(Posting("3", after.key, "CNY", reversal.at, "release", paid))
        for key, fields in increments.items():
            bookings.store({"_id": key.replace("-12/", december), **fields})
        return [earner for earner, _ in bookings.faults()]

    assert faults("-12/") == []
    assert faults("-11/") == sorted(earners)


def test_a_month_is_found_by_its_keys() -> None:
    where = in_month(SELLER, "2026-11")["_id"]
    keys = [
        KEY,
        f"{KEY}#3",
        f"{KEY}/west#8",
        f"{SELLER}/2026-12/CNY",
        f"{SELLER}/2026-10/USD",
        f"{SELLER}0/2026-11/CNY",
    ]
    assert [key for key in keys if where["$gte"] <= key < where["$lt"]] == keys[:3]
    assert [currency_of({"_id": key}) for key in keys[:3]] == ["CNY"] * 3


def test_tallies_of_one_month_are_added_up_and_zeros_left_out() -> None:
    tallies = (Tally(KEY, 5, 0, "02", {"levels": 1}), Tally(KEY, 0, 2, "02", {"levels": 2}), Tally("9/2026-11/CNY"))
    assert increments_of(tallies) == {
        KEY: {"own_sales_minor": 5, "own_refunded_minor": 2, "paid_minor.02.levels": 3},
    }
