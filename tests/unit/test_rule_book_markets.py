"""The limits of a market: defined with reasons, and never below what its active rules promise."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from contracts.rules.v1 import (
    CitedClause,
    DefineMarket,
    LevelsOverride,
    MarketDefined,
    MarketRefused,
)
from contracts.rules.view import Market
from contracts.wire.decision import Decision
from tests.builders import NOW, message
from tests.unit.rule_books import DAY, Answer, a_book, a_draft, active, approved
from workers.rule_book import decide
from workers.rule_book.model import State, Turn


def define(state: State, **fields: Any) -> Answer:
    return decide.define_market(state, message(DefineMarket(**{"market": "cn", **fields})))


class TestMarket:
    def test_limits_are_stored_with_their_clauses(self) -> None:
        answer = define(a_book(), levels_paid_max=1, pay_rate_max=Decimal("0.30"), clauses={"team_pay": "Act 2"})
        event = MarketDefined(
            market="cn",
            levels_paid_max=1,
            pay_rate_max=Decimal("0.3"),
            downline_pay=True,
            team_pay=True,
            clauses=(CitedClause(limit="team_pay", clause="Act 2"),),
        )

        market = Market("cn", 1, 300_000, clauses={"team_pay": "Act 2"})
        state = replace(a_book(markets=(market,)), turns={"cn": Turn("cn", 1)})
        assert answer == Decision(state, (event,), "defined")

    def test_repeated_limits_change_nothing(self) -> None:
        state = a_book(markets=(Market("cn"),))

        assert define(state) == Decision(state, outcome="unchanged")

    def test_the_default_market_may_be_defined_as_it_is(self) -> None:
        assert define(a_book(), market="default").outcome == "defined"

    def test_more_than_three_levels_need_a_person_and_a_reason(self) -> None:
        detail = "levels_paid_max: 4 is more than 3; name in `override` who decided so, and why."
        event = MarketRefused(market="cn", reason="levels_beyond_three", detail=detail)
        override = LevelsOverride(by="li.na", reason="licence 17")

        assert define(a_book(), levels_paid_max=3).outcome == "defined"
        assert define(a_book(), levels_paid_max=4) == Decision(a_book(), (event,), "refused")
        answer = define(a_book(), levels_paid_max=4, override=override)
        [defined] = answer.publish
        assert isinstance(defined, MarketDefined)
        assert (defined.override_by, defined.override_reason) == ("li.na", "licence 17")

    def test_limits_that_active_rules_breach_are_refused_until_these_end(self) -> None:
        rules = active(a_draft(market="cn"))
        state = a_book(rules, markets=(Market("cn"),))
        detail = (
            "levels_paid_max: rules 1 go beyond it (plan direct: it pays up to level 2, and market cn allows 1); "
            "retire them first."
        )
        event = MarketRefused(market="cn", reason="rules_in_force", detail=detail)

        assert define(state, levels_paid_max=1) == Decision(state, (event,), "refused")
        assert define(state, levels_paid_max=3).outcome == "defined"
        for harmless in (replace(rules, retired_from=NOW + DAY), approved(a_draft(market="cn")), active(a_draft())):
            assert define(a_book(harmless), levels_paid_max=1).outcome == "defined"
