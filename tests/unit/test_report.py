"""A report of a working system: only a finding that is still there in a second audit is a breach."""

from __future__ import annotations

from infra.auditing.audit import BREACHES_SHOWN_MAX, SUBJECTS_MAX, Report
from tests.builders import NOW

LATER = NOW


def found(report: Report, *abouts: str) -> Report:
    for about in abouts:
        report.breach("I6", about, "has not arrived")
    return report


def test_a_finding_that_is_gone_in_the_second_audit_is_not_a_breach() -> None:
    first = found(Report(NOW), "message/1", "message/2")
    lasting = first.confirmed_by(found(first.recheck(LATER), "message/2"))

    assert [breach.about for breach in lasting.breaches] == ["message/2"]
    assert lasting.breach_count == 1


def test_a_second_audit_reports_only_earlier_findings() -> None:
    """It reads little more than the subjects of the first audit, so its data about others is incomplete."""
    again = found(Report(NOW), "message/1").recheck(LATER)

    found(again, "message/7")
    again.breach("I5", "message/1", "is of another invariant")

    assert (again.breach_count, again.breaches) == (0, [])


def test_the_figures_are_those_of_the_first_audit() -> None:
    first = found(Report(NOW), "message/1")
    first.add("I6", "emitted", 5)
    again = first.recheck(LATER)
    again.add("I6", "emitted", 1)

    assert first.confirmed_by(again).figures == {"I6": {"emitted": 5}}


def test_the_findings_kept_in_memory_are_bounded() -> None:
    many = [f"message/{number}" for number in range(SUBJECTS_MAX + 7)]
    first = found(Report(NOW), *many)

    assert first.breach_count == len(many)
    assert len(first.breaches) == BREACHES_SHOWN_MAX
    assert len(first.subjects) == len(first.counts) == SUBJECTS_MAX


def test_findings_beyond_the_bound_are_not_checked_again() -> None:
    many = [f"message/{number}" for number in range(SUBJECTS_MAX + 7)]
    first = found(Report(NOW), *many)

    lasting = first.confirmed_by(found(first.recheck(LATER), "message/3"))

    assert lasting.breach_count == 8
    assert [breach.about for breach in lasting.breaches] == ["message/3"]


def test_a_second_audit_is_limited_to_the_earlier_findings() -> None:
    first = Report(NOW)
    for about in ("product/12", "order/shop-1/1001", "product/7", "commissions"):
        first.breach("I1", about, "is wrong")
    again = first.recheck(LATER)

    assert again.among("product", "_id", int) == {"_id": {"$in": [12, 7]}}
    assert again.ids("order") == ["shop-1/1001"]
    assert again.among("team", "_id") == {"_id": {"$in": []}}
    assert (again.looks_at("commissions", "earnings"), again.looks_at("platform")) == (True, False)
    assert (first.ids("order"), first.among("order", "_id"), first.looks_at("platform")) == (None, {}, True)
