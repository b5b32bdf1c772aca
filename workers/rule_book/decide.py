"""The rules about rules: two people approve what is promised, and no promise is changed retroactively."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from contracts.approvals import unchecked_detail
from contracts.money import MoneyError, to_rate
from contracts.plans.compliance import LEVELS_PAID_WITHOUT_OVERRIDE_MAX, Breach, breaches, limits_of
from contracts.rules.terms import digest_of, terms_of
from contracts.rules.v1 import (
    ActivateRules,
    ApproveRules,
    CitedClause,
    DefineMarket,
    MarketDefined,
    MarketRefused,
    ProposeRules,
    RetireRules,
    RulesActivated,
    RulesApproved,
    RulesProposed,
    RulesRefused,
    RulesRetired,
)
from contracts.rules.view import PROPOSAL_LIFE, RuleSet, in_force
from contracts.times import CLOCK_SKEW_MAX, plus
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Message
from contracts.wire.refusal import Refusing
from workers.rule_book.model import State

refuse_unreadable_rules = Refusing[ProposeRules | ApproveRules | ActivateRules | RetireRules](
    RulesRefused, "rule_version"
)
refuse_unreadable_market = Refusing[DefineMarket](MarketRefused, "market")

Answer = Decision[State] | NotYet[State]


def propose(state: State, message: Message[ProposeRules]) -> Answer:
    """Store a draft. Until it is active, other terms replace it and void its approval; then it never changes. So does
    the same draft, once its proposal has expired.
    """
    command = message.data
    version = command.rule_version
    try:
        terms = terms_of(command.rules)
    except MoneyError as error:
        return _refuse(state, version, "amount_precision", f"rules.{error}.")
    digest = digest_of(terms)
    known = state.rules.get(version)
    is_current = known is not None and (known.stage == "active" or not _has_expired(known, message.received_at))
    if known is not None and known.digest == digest and is_current:
        return Decision(state, outcome="duplicate")
    if known is not None and known.stage == "active":
        detail = f"rule_version: {version} is active and never changes; take the next number."
        return _refuse(state, version, "conflict", detail)
    draft = RuleSet(
        version,
        "proposed",
        digest,
        terms,
        command.proposed_by,
        proposed_at=message.received_at,
        proposed_os_user=command.os_user,
    )
    event = RulesProposed(rule_version=version, digest=digest, proposed_by=command.proposed_by, os_user=command.os_user)
    return Decision(state.with_rules(draft), (event,), "proposed")


def approve(state: State, message: Message[ApproveRules]) -> Answer:
    """Record that a second person approves exactly these terms. The first approval counts."""
    command = message.data
    rules = state.rules.get(command.rule_version)
    if rules is None:
        return _not_proposed(state, command.rule_version)
    if rules.digest != command.digest:
        detail = (
            f"digest: rules {rules.rule_version} have the digest {rules.digest}, not the given one; read them again."
        )
        return _refuse(state, rules.rule_version, "digest_mismatch", detail)
    if rules.proposed_by.casefold() == command.approved_by.casefold():
        detail = f"approved_by: {command.approved_by} has proposed the rules; let another person read and approve them."
        return _refuse(state, rules.rule_version, "same_person", detail)
    if rules.stage != "proposed":
        return Decision(state, outcome="duplicate")
    if unchecked := unchecked_detail(command.independent_of, [rules.proposed_by], command.approved_by):
        return _refuse(state, rules.rule_version, "changed_meanwhile", unchecked)
    if _has_expired(rules, message.received_at):
        return _expired(state, rules)
    approved = replace(rules, stage="approved", approved_by=command.approved_by, approved_os_user=command.os_user)
    event = RulesApproved(
        rule_version=rules.rule_version,
        digest=rules.digest,
        approved_by=command.approved_by,
        os_user=command.os_user,
    )
    return Decision(state.with_rules(approved), (event,), "approved")


def activate(state: State, message: Message[ActivateRules]) -> Answer:
    """Put approved rules in force, within the limits of their market, and never retroactively."""
    command = message.data
    rules = state.rules.get(command.rule_version)
    if rules is None:
        return _not_proposed(state, command.rule_version)
    if rules.stage == "active":
        assert rules.effective_from is not None, "active rules have a date"
        if _is_repeat(command.effective_from, rules.effective_from, message.received_at):
            return Decision(state, outcome="duplicate")
        since = rules.effective_from.isoformat()
        detail = f"rule_version: {rules.rule_version} is active from {since} on; take the next number."
        return _refuse(state, rules.rule_version, "conflict", detail)
    if rules.stage == "proposed":
        detail = f"rule_version: {rules.rule_version} is not approved; let another person than the proposer approve it."
        return NotYet("not_approved", _refuse(state, rules.rule_version, "not_approved", detail))
    if _has_expired(rules, message.received_at):
        return _expired(state, rules)
    market = state.market(rules.terms.market)
    if market is None:
        detail = f"rules.market: market {rules.terms.market} is not defined; define its legal limits."
        return NotYet("market_unknown", _refuse(state, rules.rule_version, "market_unknown", detail))
    if found := breaches(rules.terms, market):
        return _beyond_limits(state, rules.rule_version, found)
    now = message.received_at
    at = command.effective_from or now
    if at < now and (before := in_force(at, market.market, state.tenures)):
        if plus(at, CLOCK_SKEW_MAX) < now:
            detail = (
                f"effective_from: rules {before} held at {at.isoformat()}, and rules never change retroactively; "
                f"give a time from {now.isoformat()} on."
            )
            return _refuse(state, rules.rule_version, "retroactive", detail)
        at = now
    active = replace(
        rules,
        stage="active",
        activated_by=command.activated_by,
        activated_os_user=command.os_user,
        effective_from=at,
    )
    event = RulesActivated(
        rule_version=rules.rule_version,
        market=market.market,
        effective_from=at,
        activated_by=command.activated_by,
        os_user=command.os_user,
    )
    return Decision(state.with_rules(active).with_turn_of(market.market), (event,), "activated")


def retire(state: State, message: Message[RetireRules]) -> Answer:
    """Set the end of active rules, once, never before now and never before they begin. One person retires, so no
    earlier rules hold again by it: only those that hold now go on where a planned set ends.
    """
    command = message.data
    rules = state.rules.get(command.rule_version)
    if rules is None:
        return _not_proposed(state, command.rule_version)
    if rules.stage != "active":
        detail = f"rule_version: {rules.rule_version} is not active; only active rules can end."
        return NotYet("not_active", _refuse(state, rules.rule_version, "not_active", detail))
    if rules.retired_from is not None:
        if _is_repeat(command.effective_from, rules.retired_from, message.received_at):
            return Decision(state, outcome="duplicate")
        detail = f"rule_version: {rules.rule_version} ends at {rules.retired_from.isoformat()}, which stays."
        return _refuse(state, rules.rule_version, "already_retired", detail)
    now = message.received_at
    at = command.effective_from or now
    if plus(at, CLOCK_SKEW_MAX) < now:
        detail = f"effective_from: rules never change retroactively; give a time from {now.isoformat()} on."
        return _refuse(state, rules.rule_version, "retroactive", detail)
    at = max(at, now)
    assert rules.effective_from is not None, "active rules have a date"
    if at < rules.effective_from:
        since = rules.effective_from.isoformat()
        detail = f"effective_from: rules {rules.rule_version} begin at {since}; to withdraw them, give that time."
        return _refuse(state, rules.rule_version, "ends_before_it_begins", detail)
    if earlier := _brought_back(state, rules, at, now):
        detail = (
            f"rule_version: rules {earlier} would hold again after rules {rules.rule_version}; what is paid takes two "
            "persons, so propose, approve and activate other rules instead, the earlier terms under a new number."
        )
        return _refuse(state, rules.rule_version, "earlier_rules_return", detail)
    retired = replace(rules, retired_from=at, retired_by=command.retired_by, retired_os_user=command.os_user)
    event = RulesRetired(
        rule_version=rules.rule_version,
        market=rules.terms.market,
        effective_from=at,
        retired_by=command.retired_by,
        os_user=command.os_user,
    )
    return Decision(state.with_rules(retired).with_turn_of(rules.terms.market), (event,), "retired")


def _brought_back(state: State, ending: RuleSet, at: datetime, now: datetime) -> int | None:
    """The rules that this end would put in force at some time, although they do neither hold now nor then."""
    market, before = ending.terms.market, state.tenures
    after = [replace(one, retired_from=at) if one.rule_version == ending.rule_version else one for one in before]
    moments = {at, *(end for one in after for end in (one.effective_from, one.retired_from) if end is not None)}
    for moment in sorted(moment for moment in moments if moment >= at):
        held = in_force(moment, market, after)
        if held not in (None, in_force(moment, market, before), in_force(now, market, before)):
            return held
    return None


def _has_expired(rules: RuleSet, now: datetime) -> bool:
    """Whether the proposal is too old to be approved or put in force: its proposer may no longer stand by it."""
    return rules.proposed_at is None or plus(rules.proposed_at, PROPOSAL_LIFE) < now


def _expired(state: State, rules: RuleSet) -> Decision[State]:
    detail = (
        f"rule_version: rules {rules.rule_version} were proposed more than {PROPOSAL_LIFE.days} days ago; propose and "
        "approve them again."
    )
    return _refuse(state, rules.rule_version, "proposal_expired", detail)


def _is_repeat(requested: datetime | None, kept: datetime, now: datetime) -> bool:
    """Whether the stored time came from the same command, whose time may have been a little before our receipt.

    A stored time in the future was given explicitly, so only the same time is a repeat.
    """
    if kept > now:
        return requested == kept
    return requested is None or requested <= kept <= plus(requested, CLOCK_SKEW_MAX)


def define_market(state: State, message: Message[DefineMarket]) -> Answer:
    """Store a market's legal limits. Active rules that exceed them must be retired first."""
    command = message.data
    market = limits_of(command)
    if state.markets.get(market.market) == market:
        return Decision(state, outcome="unchanged")
    if market.levels_paid_max > LEVELS_PAID_WITHOUT_OVERRIDE_MAX and command.override is None:
        detail = (
            f"levels_paid_max: {market.levels_paid_max} is more than {LEVELS_PAID_WITHOUT_OVERRIDE_MAX}; "
            "name in `override` who decided so, and why."
        )
        return _refuse_market(state, market.market, "levels_beyond_three", detail)
    for rules in state.active_in(market.market):
        if rules.retired_from is None and (found := breaches(rules.terms, market)):
            detail = (
                f"{found[0].limit}: rules {rules.rule_version} go beyond it ({found[0].detail}); retire them first."
            )
            return _refuse_market(state, market.market, "rules_in_force", detail)
    event = MarketDefined(
        market=market.market,
        levels_paid_max=market.levels_paid_max,
        pay_rate_max=to_rate(market.pay_rate_max_ppm),
        downline_pay=market.downline_pay,
        team_pay=market.team_pay,
        clauses=tuple(CitedClause(limit=limit, clause=text) for limit, text in sorted(market.clauses.items())),
        override_by=market.override_by,
        override_reason=market.override_reason,
    )
    return Decision(state.with_market(market).with_turn_of(market.market), (event,), "defined")


def _beyond_limits(state: State, version: int, found: tuple[Breach, ...]) -> Decision[State]:
    """All breaches in one sentence, each with its clause; the field has the first cited clause."""
    detail = "; ".join(f"{breach.detail} ({breach.clause})" if breach.clause else breach.detail for breach in found)
    clause = next((breach.clause for breach in found if breach.clause), None)
    return _refuse(state, version, "market_limit", f"{detail}.", clause)


def _not_proposed(state: State, version: int) -> NotYet[State]:
    detail = f"rule_version: rules {version} are not known; propose them first."
    return NotYet("not_proposed", _refuse(state, version, "not_proposed", detail))


def _refuse(state: State, version: int, reason: str, detail: str, clause: str | None = None) -> Decision[State]:
    refused = RulesRefused(rule_version=version, reason=reason, detail=detail, clause=clause)
    return Decision(state, (refused,), "refused")


def _refuse_market(state: State, market: str, reason: str, detail: str) -> Decision[State]:
    return Decision(state, (MarketRefused(market=market, reason=reason, detail=detail),), "refused")
