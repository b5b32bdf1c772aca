"""The same refunds in any order give the same money and units of each line, commissions and status."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from contracts.commissions.view import Entry, LineRefund
from contracts.money import to_amount, to_minor
from contracts.orders.v1 import RefundOrder
from contracts.orders.view import Line
from contracts.plans.calculation import ARITHMETIC
from contracts.plans.reversal import left_of
from tests.builders import CUP, KEY, SELLER, TEA, a_refund_line, an_order, order_state, refund
from tests.sampling import sampled
from tests.unit.order_steps import SHIPPED
from tests.unit.refunds import LINES, a_line, decide_refund, refund_lines
from workers.order_intake.audit import _refunds_add_up
from workers.order_intake.model import Order

ROOT = Path(__file__).parents[2]


def the_examples() -> Iterator[Any]:
    """The rows of the table in docs/commissions.md: the requests, the refunded amounts, and their total."""
    section = (ROOT / "docs/commissions.md").read_text().split("## What a refund takes back")[1].split("\n## ")[0]
    for row in re.findall(r"^\| (\d.*?) \| (.*?) \| (.*?) \|$", section, re.MULTILINE):
        yield pytest.param(*(row[0].split("; "), row[1].split("; "), row[2]), id=row[0])


@pytest.mark.parametrize(("requests", "amounts", "total"), list(the_examples()))
def test_the_examples_of_the_document_are_true(requests: list[str], amounts: list[str], total: str) -> None:
    state = order_state(an_order(**SHIPPED, lines=(a_line(1, TEA, 3, 3_000),)))
    results = []
    for number, words in enumerate(requests):
        units, _, amount = words.partition(" for ")
        command = refund(a_refund_line(TEA, int(units.split()[0]), amount or None), refund_id=f"r-{number}")
        decision = decide_refund(state, command)
        state, [event] = decision.state, decision.publish
        results.append(str(event.amount) if decision.outcome == "refunded" else "refused")

    assert results == amounts
    assert to_amount(state.orders[KEY].refunded_minor, "CNY") == Decimal(total)


def test_the_document_has_examples() -> None:
    assert len(list(the_examples())) == 7


@given(st.lists(st.sampled_from([TEA, CUP]), max_size=20))
def test_units_without_amounts_close_every_line_to_zero(products: list[int]) -> None:
    """Unit by unit and in any order: the last one takes the remainder."""
    state = order_state(an_order(**SHIPPED, lines=LINES))
    for number, product_id in enumerate([*products, *[TEA] * 6, *[CUP] * 2]):
        state = decide_refund(state, refund(a_refund_line(product_id), refund_id=f"r-{number}")).state

    assert state.orders[KEY].status == "refunded"
    assert state.orders[KEY].refunded_minor == 1_800


@st.composite
def several_lines(draw: st.DrawFn) -> tuple[Line, ...]:
    """Lines of two products; a product may be on several lines, and some are free."""
    nets = draw(st.lists(st.integers(0, 1_500), min_size=1, max_size=4))
    return tuple(
        a_line(number, draw(st.sampled_from([TEA, CUP])), draw(st.integers(1, 4)), net)
        for number, net in enumerate(nets, start=1)
    )


def outcome_of(order: Order, refunds: Sequence[RefundOrder]) -> tuple[Any, ...] | None:
    """The figures that must not depend on the order of these refunds; `None` where one is refused."""
    state, monthly, lines = (
        order_state(order),
        0,
        {line.line: LineRefund(line.line, line.net_minor, line.quantity) for line in order.lines},
    )
    is_full = False
    for command in refunds:
        decision = decide_refund(state, command)
        if decision.outcome != "refunded":
            return None
        state, [event] = decision.state, decision.publish
        # Like a consumer: the largest of each sum.
        monthly = max(monthly, to_minor(event.refunded_total, "CNY"))
        is_full |= event.is_full
        for refunded_line in event.lines:
            known = lines[refunded_line.line]
            assert known.refunded_quantity <= refunded_line.refunded_quantity
            assert known.refunded_minor <= to_minor(refunded_line.refunded, "CNY")
            lines[refunded_line.line] = replace(
                known,
                refunded_quantity=refunded_line.refunded_quantity,
                refunded_minor=to_minor(refunded_line.refunded, "CNY"),
            )
    after = state.orders[KEY]
    assert [(x.refunded_quantity, x.refunded_minor) for x in after.lines] == [
        (x.refunded_quantity, x.refunded_minor) for x in lines.values()
    ]
    assert _refunds_add_up(after)
    return after.lines, after.status, monthly, is_full, what_is_left(lines.values())


ENTRIES = [
    Entry(1, TEA, "levels", 1, SELLER, "gold", 9_000, 3, 50_000, 0, 450, 0),
    Entry(1, TEA, "levels", 2, 1, "gold", 9_000, 3, 50_000, 0, 101, 0),
    Entry(1, TEA, "units", 1, SELLER, "gold", 9_000, 3, 0, 7, 21, 0),
]


def what_is_left(lines: Iterable[LineRefund]) -> tuple[int, ...]:
    of_lines = list(lines)
    entries = [replace(entry, line=line.line) for line in of_lines for entry in ENTRIES]
    return left_of(entries, [600] * len(of_lines), of_lines, ARITHMETIC)


@pytest.mark.slow
@settings(max_examples=sampled(200, whole=500))
@given(several_lines(), st.lists(st.lists(refund_lines, min_size=1, max_size=2), min_size=2, max_size=6), st.data())
def test_the_same_refunds_in_any_order_give_the_same_result(
    lines: tuple[Line, ...], commands: list[list[Any]], data: st.DataObject
) -> None:
    order = an_order(**SHIPPED, lines=lines)
    accepted: list[RefundOrder] = []
    for number, requested in enumerate(commands):
        command = refund(*requested, refund_id=f"r-{number}")
        if outcome_of(order, [*accepted, command]) is not None:
            accepted.append(command)
    shuffled = data.draw(st.permutations(accepted))

    expected, actual = outcome_of(order, accepted), outcome_of(order, shuffled)

    assume(actual is not None)
    assert actual == expected


@given(several_lines(), st.lists(st.lists(refund_lines, min_size=1, max_size=2), max_size=6), st.data())
def test_a_refund_of_the_rest_closes_the_order_and_its_commissions(
    lines: tuple[Line, ...], commands: list[list[Any]], data: st.DataObject
) -> None:
    """After any refunds in any order, a refund of the rest closes the order and all its commissions."""
    order = an_order(**SHIPPED, lines=lines)
    state = order_state(order)
    for number, requested in enumerate(data.draw(st.permutations(commands))):
        state = decide_refund(state, refund(*requested, refund_id=f"r-{number}")).state
    left = [line for line in state.orders[KEY].lines if line.left_minor or (line.left_quantity and not order.net_minor)]
    for line in data.draw(st.permutations(left)):
        amount = str(to_amount(line.left_minor, "CNY"))
        rest = a_refund_line(line.product_id, 0 if order.net_minor else line.left_quantity, amount, line.line)
        decision = decide_refund(state, refund(rest, refund_id=f"rest-{line.line}"))
        assert decision.outcome == "refunded"
        state = decision.state

    after = state.orders[KEY]
    assert (after.status, after.refunded_minor) == ("refunded", order.net_minor)
    for line in after.lines:
        if line.net_minor:
            closed = LineRefund(line.line, line.net_minor, line.quantity, line.refunded_minor, line.refunded_quantity)
            assert not any(what_is_left([closed]))
