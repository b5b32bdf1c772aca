"""The comparison must detect a wrong engine: here bugs are planted in the engine."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from contracts.commissions.view import Entry, Unpaid
from contracts.plans import calculation, plans
from contracts.plans.calculation import Outcome
from tests.oracle.comparison import BothSides, differences
from tests.oracle.conftest import Sold
from tests.oracle.documents import Document, cap, money, per_unit

ORDERS_MAX = 5_000
"""A planted bug must show within this many orders; most show within ten."""

LEVELS, COMPRESSED, TEAMS, FIXED_FIRST, ALL_FOUR, CRUMBS, LIMITED_TIERS = range(7)
"""The rule sets written by hand, in their order."""


def a_cent_more(outcome: Outcome) -> Outcome:
    first, *others = outcome.entries
    return replace(outcome, entries=(replace(first, amount_minor=first.amount_minor + 1), *others))


def a_cent_from_one_to_another(outcome: Outcome) -> Outcome:
    """The total stays the same, as with a wrong tie-break."""
    first, second, *others = outcome.entries
    more, less = (
        replace(first, amount_minor=first.amount_minor + 1),
        replace(second, amount_minor=second.amount_minor - 1),
    )
    return replace(outcome, entries=(more, less, *others))


def a_missing_reason(outcome: Outcome) -> Outcome:
    return replace(outcome, unpaid=outcome.unpaid[:-1])


def another_reason(outcome: Outcome) -> Outcome:
    first, *others = outcome.unpaid
    return replace(outcome, unpaid=(replace(first, reason="pool_exhausted"), *others))


def an_entry_less(outcome: Outcome) -> Outcome:
    return replace(outcome, entries=outcome.entries[:-1])


def an_entry_twice(outcome: Outcome) -> Outcome:
    return replace(outcome, entries=(*outcome.entries, outcome.entries[0]))


def an_entry_for_another(outcome: Outcome) -> Outcome:
    first, *others = outcome.entries
    return replace(outcome, entries=(replace(first, distributor_id=first.distributor_id + 1), *others))


def another_detail(**fields: Any) -> Any:
    def change(outcome: Outcome) -> Outcome:
        first, *others = outcome.entries
        return replace(outcome, entries=(replace(first, **fields), *others))

    return change


def a_pool_one_less(outcome: Outcome) -> Outcome:
    first, *others = outcome.pools_minor
    return replace(outcome, pools_minor=(first - 1, *others))


def paid_and_unpaid(outcome: Outcome) -> Outcome:
    entry: Entry = outcome.entries[0]
    passed = replace(outcome.unpaid[0].uplines[0], level=entry.level, distributor_id=entry.distributor_id)
    both = Unpaid(plan=entry.plan, reason="below_minimum", lines=(entry.line,), uplines=(passed,))
    return replace(outcome, unpaid=(*outcome.unpaid, both))


@pytest.mark.parametrize(
    "wrong",
    [
        a_cent_more,
        a_cent_from_one_to_another,
        a_missing_reason,
        another_reason,
        an_entry_less,
        an_entry_twice,
        an_entry_for_another,
        a_pool_one_less,
        paid_and_unpaid,
        another_detail(rate_ppm=1),
        another_detail(tier="unknown"),
        another_detail(limited_by="month"),
        another_detail(rounding=7),
        another_detail(base_minor=1),
        another_detail(product_id=1),
    ],
)
def test_a_wrong_figure_is_detected(sold: Sold, wrong: Any) -> None:
    both = BothSides(sold.by_hand[ALL_FOUR])
    for number in range(100):
        order = sold.order(number, "USD")
        answer, outcome = both.recalculate(order)
        assert not list(differences(order, answer, outcome))
        if len(outcome.entries) >= 2 and outcome.unpaid and outcome.unpaid[0].uplines:
            assert list(differences(order, answer, wrong(outcome)))
            return
    pytest.fail("no order had two entries and an unpaid upline")


def test_a_refund_that_is_a_cent_off_is_detected(sold: Sold) -> None:
    both = BothSides(sold.by_hand[ALL_FOUR])
    order = sold.order(0, "USD")
    answer, outcome = both.recalculate(order)
    (line, *_), (entry, *_) = order["lines"], outcome.entries
    assert line["line"] == entry.line
    wrong = a_cent_more(outcome)
    for money_back in (0, 1):
        back = {line["line"]: (money_back, 0)}
        assert not list(both.refund(order, answer, outcome, back))
        assert list(both.refund(order, answer, wrong, back))


def _overrides_but(document: Document, plan: int, kind: set[str]) -> dict[str, Any]:
    """The overrides of a plan without those that name exactly `kind`."""
    overrides = document["plans"][plan]["overrides"]
    return {"overrides": [one for one in overrides if set(one) - {"rates"} != kind]}


@pytest.mark.parametrize(
    ("rule_set", "plan", "change", "currency"),
    [
        (LEVELS, None, {"pool_rate": "0.251"}, "KWD"),
        (LEVELS, 0, {"rates": ["0.05", "0.030001", "0.01"]}, "USD"),
        (LEVELS, 0, {"rates": ["0.05", "0.03"]}, "USD"),
        (LEVELS, 0, {"product_id", "tier"}, "USD"),
        (LEVELS, 0, {"product_id"}, "USD"),
        (LEVELS, 0, {"category_id", "tier"}, "USD"),
        (LEVELS, 0, {"category_id"}, "USD"),
        (LEVELS, 0, {"tier"}, "USD"),
        (LEVELS, 0, {"compression": True}, "USD"),
        (LEVELS, 0, {"conditions": {"active": False}}, "USD"),
        (LEVELS, 0, {"caps": cap("order", "1.10")}, "USD"),
        (LEVELS, 0, {"caps": cap("entry", "0.40")}, "USD"),
        (COMPRESSED, 0, {"compression": False}, "USD"),
        (COMPRESSED, 0, {"conditions": {}}, "USD"),
        (COMPRESSED, 0, {"conditions": {"own_sales_min": money("65.00")}}, "USD"),
        (COMPRESSED, 0, {"caps": []}, "USD"),
        (COMPRESSED, 1, {"peer_rate": "0"}, "JPY"),
        (COMPRESSED, 1, {"levels_max": 6}, "USD"),
        (COMPRESSED, 1, {"rates": {"silver": "0.02", "gold": "0.05"}}, "USD"),
        (TEAMS, 0, {"caps": []}, "USD"),
        (TEAMS, 0, {"conditions": {"own_sales_min": money("20.00")}}, "USD"),
        (TEAMS, 1, {"minimum": []}, "USD"),
        (TEAMS, 1, {"amounts": per_unit(["0.07", "0.03"])}, "KWD"),
        (TEAMS, 1, {"amounts": per_unit(["0.08", "0.03"])}, "JPY"),
        (TEAMS, 1, {"conditions": {}}, "USD"),
        (FIXED_FIRST, 2, {"own_sales": False}, "USD"),
        (FIXED_FIRST, 1, {"conditions": {}}, "USD"),
        (ALL_FOUR, 0, {"caps": cap("order", "1.50")}, "USD"),
        (ALL_FOUR, 2, {"caps": []}, "USD"),
        (ALL_FOUR, 3, {"caps": []}, "USD"),
        (CRUMBS, 2, {"rate": "0.0005"}, "KWD"),
    ],
)
def test_a_misread_rule_is_detected(sold: Sold, rule_set: int, plan: int | None, change: Any, currency: str) -> None:
    """The engine uses a document with one difference: `change` is fields, or overrides left out."""
    document = sold.by_hand[rule_set]
    if plan is None:
        other = {**document, **change}
    else:
        fields = _overrides_but(document, plan, change) if isinstance(change, set) else change
        plans = [{**one, **fields} if number == plan else one for number, one in enumerate(document["plans"])]
        other = {**document, "plans": plans}
    assert other != document
    both = BothSides(document, other)
    for number in range(ORDERS_MAX):
        order = sold.order(number, currency)
        if list(differences(order, *both.recalculate(order))):
            return
    pytest.fail(f"{ORDERS_MAX} orders did not reveal it")


def test_plans_that_draw_in_another_order_are_detected(sold: Sold) -> None:
    document = sold.by_hand[FIXED_FIRST]
    both = BothSides(document, {**document, "plans": document["plans"][::-1]})
    orders = (sold.order(number, "USD") for number in range(ORDERS_MAX))
    assert any(list(differences(order, *both.recalculate(order))) for order in orders)


SHARE = "net_minor * grant.rate_ppm + line.quantity * grant.unit_minor * RATE_SCALE"

# rule set, module, function, a piece of its source, the wrong replacement
WRONG_ENGINES: dict[str, tuple[int, Any, Callable[..., Any], str, str]] = {
    "a differential counts rates that were not paid": (
        LIMITED_TIERS,
        calculation,
        calculation._exact_shares,
        "if drawing.walks.depend_on_limits:",
        "if False:",
    ),
    "a peer rate that was not paid is used up": (
        LIMITED_TIERS,
        plans,
        plans.by_tier,
        "            continue\n",
        "            peer_is_open = peer_is_open and rate_ppm != best_ppm\n            continue\n",
    ),
    "the minimum is judged before caps and pool": (
        LIMITED_TIERS,
        calculation,
        calculation._exact_shares,
        "elif numerator < drawing.minimum:",
        f"elif {SHARE} < drawing.minimum:",
    ),
    "a share below the minimum uses up the pool": (
        ALL_FOUR,
        calculation,
        calculation._exact_shares,
        'drawing.pass_over(grant, "below_minimum", line)',
        'drawing.pass_over(grant, "below_minimum", line); left -= numerator',
    ),
    "a share below the minimum uses up the cap": (
        LIMITED_TIERS,
        calculation,
        calculation._exact_shares,
        'drawing.pass_over(grant, "below_minimum", line)',
        'drawing.pass_over(grant, "below_minimum", line); drawing.drawn[grant.distributor_id] = 10**9',
    ),
    "a rate of 0 is reported as the end of the levels": (
        LEVELS,
        plans,
        plans.by_level,
        '"no_rate_at_level"',
        '"beyond_last_level"',
    ),
    "a currency without amounts is reported as not covered": (
        TEAMS,
        plans,
        plans.Walks._walk,
        '"no_amount_in_currency"',
        '"not_covered"',
    ),
}


@pytest.mark.parametrize(
    ("rule_set", "module", "function", "right", "wrong"), WRONG_ENGINES.values(), ids=WRONG_ENGINES
)
def test_an_engine_with_wrong_rules_is_detected(
    sold: Sold,
    monkeypatch: pytest.MonkeyPatch,
    rule_set: int,
    module: Any,
    function: Callable[..., Any],
    right: str,
    wrong: str,
) -> None:
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(right) == 1
    made: dict[str, Any] = {}
    exec(source.replace(right, wrong), vars(module), made)  # noqa: S102
    owner: Any = plans.Walks if "." in function.__qualname__ else module
    monkeypatch.setattr(owner, function.__name__, made[function.__name__])
    both = BothSides(sold.by_hand[rule_set])
    for number in range(ORDERS_MAX):
        order = sold.order(number, "KWD" if rule_set == TEAMS else "USD")
        if list(differences(order, *both.recalculate(order))):
            return
    pytest.fail(f"{ORDERS_MAX} orders did not reveal it")
