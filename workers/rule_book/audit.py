"""I3: no rule set promises more than its pool. I8: what is in force is what a second person approved."""

from __future__ import annotations

from contracts.money import to_rate
from contracts.rules.compliance import DEFAULTS, breaches
from contracts.rules.promise import highest_promise
from contracts.rules.terms import digest_of
from contracts.rules.view import MARKETS, RULES, Market, RuleSet
from infra.runtime.audit import Read, Report
from workers.rule_book.repository import to_market, to_rules


async def audit(read: Read, report: Report) -> None:
    markets = {DEFAULTS.market: DEFAULTS}
    async for document in read.stream(MARKETS, {}):
        market = to_market(document)
        markets[market.market] = market
    async for document in read.stream(RULES, {}):
        rules = to_rules(document)
        report.add("I3", "rule_sets")
        _audit_promise(rules, report)
        report.add("I8", rules.stage)
        _audit_approval(rules, report)
        # A rule set whose end is set is on its way out; the law may have changed since it began.
        if rules.stage == "active" and rules.retired_from is None:
            _audit_limits(rules, markets.get(rules.terms.market), report)


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
    report.require(is_second, "I8", about, f"proposed by {rules.proposed_by}, approved by {approver or 'nobody'}")
    is_dated = (rules.stage == "active") == (rules.effective_from is not None)
    report.require(is_dated, "I8", about, f"{rules.stage} does not fit effective_from {rules.effective_from}")


def _audit_limits(rules: RuleSet, market: Market | None, report: Report) -> None:
    if market is None:
        report.breach("I8", _about(rules), f"active in market {rules.terms.market}, which is not defined")
        return
    for breach in breaches(rules.terms, market):
        report.breach("I8", _about(rules), f"{breach.limit}: {breach.detail}")


def _about(rules: RuleSet) -> str:
    return f"rules/{rules.rule_version}"
