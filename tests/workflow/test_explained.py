"""Commissions that the workers stored can be explained and rehearsed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contracts.commissions.view import COMMISSIONS
from contracts.explanation.commission_sentences import sentences_of, why_nothing
from contracts.rules.view import RULES, RuleSet
from infra.cli.actions.explain import find_explanation
from infra.rehearsal.backtest import backtest
from infra.rehearsal.move import preview_move
from infra.runtime.repository import Codec
from tests.builders import CUP, KEY, MIDDLE, NOW, SELLER, TEA, TOP, a_placed_line, a_refund_line, place, refund, update
from tests.workflow.system import System

DAY = NOW.date()
LINES = [a_placed_line(TEA, 3, "90.01", "10.00"), a_placed_line(CUP, 2, "20.00")]

_rules = Codec(RuleSet, key="rule_version")


@pytest.fixture
async def sold(system: System) -> System:
    """The order 1001 partly refunded, 1002 paid and cancelled, 1003 not paid, 1004 of an unknown shop."""
    for payload in (
        place(lines=LINES, prepaid=True),
        refund(a_refund_line(TEA, 1)),
        place("1002", lines=LINES, prepaid=True),
        update("cancelled", "1002"),
        place("1003", lines=LINES),
        place("1004", lines=LINES, shop_id="nowhere"),
    ):
        await system.publish(payload)
        await system.run_until_idle(with_retries=True)
    return system


async def test_every_commission_is_explained_and_adds_up(sold: System) -> None:
    for document in sold.documents(COMMISSIONS):
        explanation = (await find_explanation(sold.store, document["_id"])).explanation
        assert explanation is not None
        assert explanation.total_minor == sum(entry["amount_minor"] for entry in document["entries"]) > 0
        assert [len(line.parts) for line in explanation.lines] == [3, 3]
        assert "rounded" in "".join(text for section in sentences_of(explanation) for text in section.sentences)
    explanation = (await find_explanation(sold.store, KEY)).explanation
    assert explanation is not None
    assert 0 < explanation.remaining_minor < explanation.total_minor
    assert [reversal.reason for reversal in explanation.taken_back] == ["order_refunded"]


async def test_a_cancelled_order_has_no_remaining_commission(sold: System) -> None:
    explanation = (await find_explanation(sold.store, "shop-1/1002")).explanation
    assert explanation is not None
    assert explanation.remaining_minor == 0
    text = "\n".join(sentence for section in sentences_of(explanation) for sentence in section.sentences)
    assert "the cancellation took back" in text


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("shop-1/1003", "is not paid"),
        ("nowhere/1004", "was refused and pays no one"),
        ("shop-1/1005", "was not found. Name an order as shop_id/order_id."),
    ],
)
async def test_an_order_without_commissions_is_explained_by_a_reason(sold: System, key: str, words: str) -> None:
    found = await find_explanation(sold.store, key)
    assert found.explanation is None
    assert words in why_nothing(key, found.order, found.refusal)


async def test_the_rules_in_force_as_a_draft_change_nothing(sold: System) -> None:
    [document] = sold.documents(RULES)
    found = await backtest(sold.store, _rules.to_entity(document).terms, DAY, DAY)

    [comparison] = found.by_currency.values()
    assert found.orders == 2
    assert comparison.before_minor == comparison.after_minor > 0
    assert {change.change_minor for change in comparison.changes()} == {0}


async def test_a_move_is_previewed(sold: System) -> None:
    """The seller moves directly under the top: the middle one loses what the top gains."""
    found = await preview_move(sold.store, SELLER, TOP, NOW - timedelta(days=1), NOW + timedelta(days=1))

    [comparison] = found.by_currency.values()
    changes = {change.distributor_id: change for change in comparison.changes()}
    assert found.orders == 2
    assert changes[MIDDLE].after_minor == 0
    assert changes[TOP].after_minor == changes[MIDDLE].before_minor > changes[TOP].before_minor
    assert changes[SELLER].change_minor == 0
