"""What `verify` found, as a command with every invariant."""

from __future__ import annotations

from infra.auditing.audit import BREACHES_SHOWN_MAX, SUBJECTS_MAX, Report
from infra.operators.invariants import invariants
from infra.operators.verification_report import report_of
from tests.builders import NOW


def test_every_invariant_is_reported_with_its_count_and_its_first_breach() -> None:
    found, other = Report(NOW), Report(NOW)
    for number in range(BREACHES_SHOWN_MAX + 5):
        found.breach("I1", f"product/{number}", "is low")
    other.breach("I2", "order/shop-1/1", "x" * 2000)
    found.merge(other)

    command = report_of(found, os_user="li.na")

    assert (command.by, command.os_user) == ("li.na", "li.na")
    assert [checked.invariant for checked in command.invariants] == list(invariants())
    counts = {checked.invariant: (checked.breaches, checked.first) for checked in command.invariants}
    assert counts["I1"] == (BREACHES_SHOWN_MAX + 5, "product/0: is low")
    assert counts["I2"] == (1, None)
    assert set(counts.values()) == {counts["I1"], counts["I2"], (0, None)}


def test_an_invariant_whose_subjects_were_too_many_to_keep_is_not_reported_as_holding() -> None:
    found = Report(NOW)
    for number in range(SUBJECTS_MAX):
        found.breach("I1", f"product/{number}", "is low")
    found.breach("I2", "order/shop-1/1", "is lost")
    again = found.recheck(NOW)
    again.breach("I1", "product/0", "is low")
    whole = Report(NOW)
    whole.merge(found.confirmed_by(again))

    counts = {checked.invariant: checked.breaches for checked in report_of(whole, os_user="li.na").invariants}

    assert (counts["I1"], counts["I2"]) == (1, 1)
    assert whole.breach_count == 2
