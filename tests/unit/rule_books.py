"""Rule books and their rule sets at each step, and the rules that take them there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from contracts.rules.document import RuleDocument
from contracts.rules.terms import digest_of, terms_of
from contracts.rules.v1 import (
    ActivateRules,
    ApproveRules,
    ProposeRules,
    RetireRules,
    RulesRefused,
)
from contracts.rules.view import Market, RuleSet
from contracts.wire.decision import Decision, NotYet
from tests.builders import NOW, message
from workers.rule_book import decide
from workers.rule_book.model import State

HOUR = timedelta(hours=1)


MINUTE = timedelta(minutes=1)


DAY = timedelta(days=1)


Answer = Decision[State] | NotYet[State]


def a_document(*rates: str, **fields: Any) -> RuleDocument:
    plan = {"plan": "unilevel", "name": "direct", "rates": rates or ("0.10", "0.05")}
    return RuleDocument.model_validate({"title": "T", "pool_rate": "0.20", "plans": [plan], **fields})


def a_draft(version: int = 1, *rates: str, **fields: Any) -> RuleSet:
    terms = terms_of(a_document(*rates, **fields))
    return RuleSet(version, "proposed", digest_of(terms), terms, "li.na", proposed_at=NOW)


def approved(draft: RuleSet) -> RuleSet:
    return replace(draft, stage="approved", approved_by="wei")


def active(draft: RuleSet, **fields: Any) -> RuleSet:
    values = {"stage": "active", "activated_by": "li.na", "effective_from": NOW, **fields}
    return replace(approved(draft), **values)


def a_book(*rules: RuleSet, markets: tuple[Market, ...] = ()) -> State:
    return State({r.rule_version: r for r in rules}, {market.market: market for market in markets})


def propose(state: State, document: RuleDocument, by: str = "li.na") -> Answer:
    return decide.propose(state, message(ProposeRules(rule_version=1, proposed_by=by, rules=document)))


def approve(state: State, digest: str, by: str = "wei", independent_of: tuple[str, ...] | None = None) -> Answer:
    command = ApproveRules(rule_version=1, approved_by=by, digest=digest, independent_of=independent_of)
    return decide.approve(state, message(command))


def activate(state: State, version: int = 1, **fields: Any) -> Answer:
    return decide.activate(state, message(ActivateRules(rule_version=version, activated_by="li.na", **fields)))


def retire(state: State, **fields: Any) -> Answer:
    return decide.retire(state, message(RetireRules(rule_version=1, retired_by="wei", **fields)))


def refused(state: State, reason: str, detail: str, clause: str | None = None, version: int = 1) -> Answer:
    event = RulesRefused(rule_version=version, reason=reason, detail=detail, clause=clause)
    return Decision(state, (event,), "refused")
