"""A report of a system at work: only what lasts from one look to the next is a breach."""

from __future__ import annotations

from infra.runtime.audit import BREACHES_SHOWN_MAX, Report
from tests.builders import NOW


def a_report(*abouts: str) -> Report:
    report = Report(NOW)
    for about in abouts:
        report.breach("I6", about, "has not arrived")
    return report


def test_what_has_arrived_meanwhile_is_no_breach() -> None:
    lasting = a_report("message/2", "message/3").still(a_report("message/1", "message/2"))
    assert [breach.about for breach in lasting.breaches] == ["message/2"]
    assert lasting.breach_count == 1


def test_nothing_lasts_where_nothing_was_found_before() -> None:
    assert a_report("message/1").still(a_report()).breach_count == 0


def test_where_more_was_found_than_is_shown_all_of_it_stands() -> None:
    many = [f"message/{number}" for number in range(BREACHES_SHOWN_MAX + 1)]
    assert a_report("message/x").still(a_report(*many)).breach_count == 1
    assert a_report(*many).still(a_report("message/x")).breach_count == len(many)
