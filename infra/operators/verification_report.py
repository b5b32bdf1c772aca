"""What `verify` found, as the command from which alerts are opened and resolved."""

from __future__ import annotations

from collections import Counter

from contracts.fields import DETAIL_MAX
from contracts.operations.v1 import CheckedInvariant, ReportVerification
from infra.auditing.audit import Report
from infra.operators.invariants import invariants


def report_of(report: Report, *, os_user: str) -> ReportVerification:
    """Every invariant with its breaches, also those whose subjects were too many to keep. Those without any are
    reported too, since their alerts are over.
    """
    counts = Counter(report.unseen)
    for (invariant, _), count in report.counts.items():
        counts[invariant] += count
    first: dict[str, str] = {}
    for breach in report.breaches:
        first.setdefault(breach.invariant, f"{breach.about}: {breach.detail}"[:DETAIL_MAX])
    checked = (CheckedInvariant(invariant=name, breaches=counts[name], first=first.get(name)) for name in invariants())
    return ReportVerification(invariants=tuple(checked), by=os_user, os_user=os_user)
