"""Engine and oracle both give the results of the examples in docs/commissions.md."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.plans.calculation import calculate
from contracts.rules.document import RuleDocument
from contracts.rules.terms import terms_of
from tests.oracle.comparison import earned_of, sale_of, unpaid_of
from tests.oracle.document import Example, cents, examples, table
from tests.oracle.oracle import recalculate
from tests.oracle.reading import read

EXAMPLES = examples()


def test_every_example_is_found() -> None:
    assert len(EXAMPLES) >= 15
    assert {plan["plan"] for one in EXAMPLES for plan in one.rules["plans"]} == {"unilevel", "differential"}


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_the_engine_gives_the_documented_results(example: Example) -> None:
    terms = terms_of(RuleDocument.model_validate({"title": "An example", **example.rules}))

    outcome = calculate(terms, sale_of(example.order), earned_of(terms, example.books))

    answers: dict[tuple[int, str, int], int | str] = {
        (entry.line, entry.plan, entry.level): entry.amount_minor for entry in outcome.entries
    }
    answers |= {(line, plan, level): why for (line, plan, level, _), why in unpaid_of(example.order, outcome)}
    assert answers == example.answers


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_the_oracle_gives_the_documented_results(example: Example) -> None:
    answer = recalculate(read(example.rules), example.order, example.books)

    found = {**answer.entries, **answer.unpaid}
    assert {(line, plan, level): result for (line, plan, level, _), result in found.items()} == example.answers


def test_a_compressed_entry_keeps_its_chain_level_and_has_the_rate_of_its_plan_level() -> None:
    [example] = [one for one in EXAMPLES if "`compressed`" in one.row]
    terms = terms_of(RuleDocument.model_validate({"title": "An example", **example.rules}))

    entries = calculate(terms, sale_of(example.order), earned_of(terms, example.books)).entries

    assert [(e.level, e.rate_ppm) for e in entries if e.plan == "compressed"] == [(1, 100_000), (3, 50_000)]


def test_the_worked_example() -> None:
    levels = {"plan": "unilevel", "name": "levels", "rates": ["0.10", "0.05", "0.03"]}
    team = {"plan": "team_bonus", "name": "team", "rate": "0.01"}
    people = [{"distributor_id": number, "tier": "standard", "active": True} for number in (1, 2, 3, 4)]
    line = {"line": 1, "product_id": 1, "category_id": 1, "quantity": 1, "net_minor": cents("54.70")}
    order = {"currency": "USD", "lines": [line], "chain": people[:3], "leader": people[3]}
    rules = {"pool_rate": "0.20", "plans": [levels, team]}
    terms = terms_of(RuleDocument.model_validate({"title": "The worked example", **rules}))
    nothing: dict[str, Any] = {"own_sales": {}, "day": {}, "month": {}}

    outcome = calculate(terms, sale_of(order), earned_of(terms, nothing))
    answer = recalculate(read(rules), order, nothing)

    *shares, together = table("share")
    documented = [
        (f"{row['exact']}", cents(row["rounded down"]), cents(row["with the remainder"].strip("*"))) for row in shares
    ]
    exact = [f"{float(share / 100):.3f}" for share in answer.exact.values()]
    assert documented == [
        (e, a.amount_minor - a.rounding, a.amount_minor) for e, a in zip(exact, outcome.entries, strict=True)
    ]
    assert list(answer.entries.values()) == [with_remainder for _, _, with_remainder in documented]
    paid, pool = sum(answer.entries.values()), outcome.pools_minor[0]
    assert together["with the remainder"] == (
        f"{paid / 100:.2f} of a pool of {pool / 100:.2f}; {(pool - paid) / 100:.2f} stay with the platform"
    )
