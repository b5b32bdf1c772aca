"""I3: no rule set promises more than its pool. I8: rules in force were approved by a second person, and never changed
retroactively.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from contracts.money import to_rate
from contracts.plans.compliance import DEFAULTS, breaches
from contracts.rules.promise import highest_promise
from contracts.rules.terms import digest_of
from contracts.rules.view import MARKETS, RULES, Market, RuleSet, in_force
from infra.auditing.audit import IN_HAND_MAX, Read, Report, outcome_times
from workers.rule_book.repository import to_market, to_rules

_BEGINNING = datetime.min.replace(tzinfo=UTC)


async def audit(read: Read, report: Report) -> None:
    markets = {DEFAULTS.market: DEFAULTS}
    async for document in read.stream(MARKETS, {}):
        market = to_market(document)
        markets[market.market] = market
    active: list[RuleSet] = []
    async for document in read.stream(RULES, {}):
        rules = to_rules(document)
        report.add("I3", "rule_sets")
        _audit_promise(rules, report)
        report.add("I8", rules.stage)
        _audit_approval(rules, report)
        # A rule set with an end is exempt: the law may have changed since it began.
        if rules.stage == "active" and rules.retired_from is None:
            _audit_limits(rules, markets.get(rules.terms.market), report)
        if rules.stage == "active":
            active.append(rules)
    began = {about: at async for taken in outcome_times(read, "rule_book", "activated") for about, at in taken.items()}
    ended = {about: at async for taken in outcome_times(read, "rule_book", "retired") for about, at in taken.items()}
    for rules in active:
        _audit_times(rules, active, began, ended, report)


def _audit_promise(rules: RuleSet, report: Report) -> None:
    most = highest_promise(rules.terms.plans)
    detail = f"a line may pay {to_rate(most.rate_ppm):f} of its net, more than the pool"
    report.require(most.rate_ppm <= rules.terms.pool_rate_ppm, "I3", _about(rules), detail)


def _audit_approval(rules: RuleSet, report: Report) -> None:
    about = _about(rules)
    report.require(digest_of(rules.terms) == rules.digest, "I8", about, "the terms are not those that the digest names")
    if rules.stage == "proposed":
        report.require(rules.approved_by is None, "I8", about, "a draft carries an approval of other terms")
        return
    approver = rules.approved_by or ""
    is_second = bool(approver) and approver.casefold() != rules.proposed_by.casefold()
    report.require(is_second, "I8", about, f"proposed by {rules.proposed_by}, approved by {approver or 'no one'}")
    is_dated = (rules.stage == "active") == (rules.effective_from is not None)
    report.require(is_dated, "I8", about, f"{rules.stage} does not fit effective_from {rules.effective_from}")


def _audit_limits(rules: RuleSet, market: Market | None, report: Report) -> None:
    if market is None:
        report.breach("I8", _about(rules), f"active in market {rules.terms.market}, which is not defined")
        return
    for breach in breaches(rules.terms, market):
        report.breach("I8", _about(rules), f"{breach.limit}: {breach.detail}")


def _audit_times(
    rules: RuleSet,
    active: Iterable[RuleSet],
    began: Mapping[str, datetime],
    ended: Mapping[str, datetime],
    report: Report,
) -> None:
    """Check the times of changes that the journal still has: none may take effect before it was decided."""
    about, start, end = _about(rules), rules.effective_from, rules.retired_from
    if start is None:
        return
    report.require(end is None or end >= start, "I8", about, f"ends at {end}, before it begins at {start}")
    taken = ended.get(about)
    is_kept = taken is None or end is None or end >= taken - IN_HAND_MAX
    report.require(is_kept, "I8", about, f"ends at {end}, which was decided later, at {taken}")
    taken = began.get(about)
    if taken is None or start >= taken - IN_HAND_MAX:
        return
    for other in active:
        is_older = other is not rules and began.get(_about(other), _BEGINNING) < taken
        if is_older and other.tenure is not None and in_force(start, rules.terms.market, [other.tenure]):
            detail = f"begins at {start}, when rules {other.rule_version} held; it was decided at {taken}"
            report.breach("I8", about, detail)


def _about(rules: RuleSet) -> str:
    return f"rules/{rules.rule_version}"
