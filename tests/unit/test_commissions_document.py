"""Tables of docs/commissions.md that are not about one order: each row is true, and no code is missing."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from inspect import getsource
from types import ModuleType
from typing import Any, get_args

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from contracts.orders import placing
from contracts.orders.v1 import OrderRefused
from contracts.plans.compliance import breaches
from contracts.rewards.v1 import RewardAdjusted
from contracts.rewards.v2 import RewardGranted
from contracts.rules.document import RuleDocument
from contracts.rules.terms import terms_of
from contracts.rules.v1 import ActivateRules, RulesActivated, RulesRefused
from contracts.rules.view import Market, Reason, Tenure, in_force
from contracts.wire.decision import Decision
from contracts.wire.envelope import Payload, Timestamp
from tests.builders import (
    KEY,
    NOW,
    SELLER,
    a_distributor,
    a_standing,
    a_target,
    an_order,
    an_order_line,
    by_id,
    message,
    order_state,
    paid,
    place,
    rules,
    tick,
)
from tests.oracle.document import codes, table
from tests.stock_builders import reserved
from workers.order_intake import acceptance, placers, refunds
from workers.order_intake import decide as order_intake
from workers.order_intake.decide import ENDED
from workers.reward_checks.decide import count_sale
from workers.reward_checks.model import State as RewardState
from workers.rule_book import decide as rule_book
from workers.rule_book.model import State as RuleState

_timestamp: TypeAdapter[datetime] = TypeAdapter(Timestamp)
_REFUSE = {"refuse", "_refuse", "_refuse_market", "RefundError", "PlacingError", "UnknownReference"}
"""The functions and classes of the workers that refuse; one argument is the reason code."""


def at(text: str) -> datetime:
    return _timestamp.validate_python(text)


def refusal_codes(*modules: ModuleType) -> set[str]:
    """The reason codes in the source, and those of every refusal of an invalid message."""
    found = {"invalid_message", "time_in_future"}
    for module in modules:
        for node in ast.walk(ast.parse(getsource(module))):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", None) not in _REFUSE:
                continue
            for argument in node.args:
                if isinstance(argument, ast.Constant) and re.fullmatch(r"[a-z]+(_[a-z]+)*", str(argument.value)):
                    found.add(str(argument.value))
                elif isinstance(argument, ast.JoinedStr) and ast.unparse(argument) == "f'order_{order.status}'":
                    found |= {f"order_{status}" for status in ENDED}
    return found


def test_every_reason_is_in_the_document_in_order() -> None:
    assert [row["reason"].strip("`") for row in table("reason")] == list(get_args(Reason))


def test_every_refusal_of_an_order_message_is_in_the_document() -> None:
    assert codes("orders") == refusal_codes(order_intake, acceptance, placing, placers, refunds)


def test_every_refusal_of_a_rules_message_is_in_the_document() -> None:
    assert codes("rules and markets") == refusal_codes(rule_book)


def test_an_inactive_sellers_order_is_refused() -> None:
    inactive = by_id(a_distributor(SELLER, standings=[a_standing(active=False)]))

    answer = order_intake.place(order_state(distributors=inactive), message(place()))

    assert isinstance(answer, Decision)
    [refused] = answer.publish
    assert isinstance(refused, OrderRefused)
    assert refused.reason == "distributor_inactive"


def test_the_rules_check_compares_the_plans_with_the_pool() -> None:
    for row in table("plans, of a pool of 0.20"):
        plan = yaml.safe_load(row["plans, of a pool of 0.20"].strip("`"))
        document = {"title": "T", "pool_rate": "0.20", "plans": [plan]}
        if row["answer"] == "valid":
            RuleDocument.model_validate(document)
            continue
        with pytest.raises(ValidationError, match=re.escape(f"{row['answer']}, more than pool_rate")):
            RuleDocument.model_validate(document)


def test_the_targets_of_the_latest_order_apply() -> None:
    known = {
        1: rules(1, targets=(a_target(target_minor=10_000),)),
        2: rules(2, targets=(a_target(target_minor=20_000),), effective_from=at("2026-11-15T00:00:00Z")),
    }
    state = RewardState({}, known, {})
    outcomes: dict[type[Payload], str] = {RewardGranted: "granted", RewardAdjusted: "revoked"}
    for number, row in enumerate(table("placed")):
        order = paid(
            order_id=str(number),
            placed_at=at(f"{row['placed']}T12:00:00Z"),
            lines=(an_order_line(net=row["net"]),),
            rule_version=int(row["rules"]),
        )
        answer: Any = count_sale(state, message(order))
        [event] = answer.publish
        assert (outcomes[type(event)], event.sales) == (row["answer"], Decimal(row["sales of the month"])), row
        state = answer.state


def test_times_are_truncated_to_milliseconds_and_exclude_the_end() -> None:
    tenure = Tenure(1, "default", at("2026-12-01T00:00:00Z"))
    for row in table("time as sent"):
        moment = at(row["time as sent"])
        assert f"{moment:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z" == row["is"]
        assert f"{moment:%Y-%m}" == row["month"]
        held = "hold" if tenure.holds_at(moment) else "do not hold"
        assert held == row["rules from 2026-12-01T00:00:00Z"]
    ended = replace(tenure, retired_from=at("2026-12-02T00:00:00Z"))
    assert not ended.holds_at(at("2026-12-02T00:00:00.0009Z"))
    assert ended.holds_at(at("2026-12-01T23:59:59.9999Z"))


def test_the_payment_deadline_ends_with_the_first_tick_at_or_after_it() -> None:
    for row in table("reserved"):
        known: Any = order_intake.note_reserved(order_state(an_order()), message(reserved(), time=at(row["reserved"])))
        answer: Any = order_intake.cancel_overdue(known.state, message(tick(at(row["tick"]))))

        order = answer.state.orders[KEY]
        assert order.status == row["order"]
        assert order.reason == (None if row["order"] == "pending" else "payment_overdue")


def test_history_is_activated_newest_first() -> None:
    rows = table("activated in this order")
    drafts = {
        number: replace(rules(number), stage="approved", effective_from=None, approved_by="wei", proposed_at=NOW)
        for number in range(1, 5)
    }
    book = RuleState(drafts, {"default": Market("default", 3)})
    for row in rows:
        found = re.fullmatch(r"rules (\d) from (\S+)", row["activated in this order"])
        assert found
        begins = at(f"{found[2]}T00:00:00Z")
        command = ActivateRules(rule_version=int(found[1]), activated_by="li.na", effective_from=begins)
        answer: Any = rule_book.activate(book, message(command, time=NOW))
        [event] = answer.publish
        if row["answer"] == "activated":
            assert isinstance(event, RulesActivated), row
        else:
            assert isinstance(event, RulesRefused), row
            assert f"refused: `{event.reason}` (rules 3 held)" == row["answer"]
            assert "rules 3 held" in event.detail
        book = answer.state
    months = [datetime(2026, month, 15, tzinfo=NOW.tzinfo) for month in (1, 2, 3, 4)]
    assert [in_force(month, "default", book.tenures) for month in months] == [1, 2, 3, 3]
    assert in_force(months[0] - timedelta(days=15), "default", book.tenures) is None


def test_a_markets_limit_counts_the_levels_of_the_plan() -> None:
    plan = {"plan": "unilevel", "name": "compressed", "rates": ["0.10", "0.05"], "compression": True}
    terms = terms_of(RuleDocument.model_validate({"title": "T", "pool_rate": "0.20", "plans": [plan]}))

    assert breaches(terms, Market("default", levels_paid_max=2)) == ()
    assert [breach.limit for breach in breaches(terms, Market("default", levels_paid_max=1))] == ["levels_paid_max"]


def test_of_rule_sets_with_the_same_start_the_higher_number_applies() -> None:
    began = at("2026-12-01T00:00:00Z")

    assert in_force(began, "default", [Tenure(2, "default", began), Tenure(1, "default", began)]) == 2
