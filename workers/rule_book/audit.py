"""No rule set promises more than its pool."""

from __future__ import annotations

from contracts.rules.view import RULES
from infra.runtime.audit import Read, Report
from workers.rule_book.repository import to_rules


async def audit(read: Read, report: Report) -> None:
    async for document in read.stream(RULES, {}):
        rules = to_rules(document)
        report.add("I3", "rule_sets")
        for rates in (rules.rates_ppm, *(category.rates_ppm for category in rules.categories)):
            about = f"rules/{rules.rule_version}"
            report.require(sum(rates) <= rules.pool_rate_ppm, "I3", about, f"rates {rates} are more than the pool")
