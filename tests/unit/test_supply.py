"""Licences, ends of support, and a check of advisories that does not claim more than it did."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.supply.advisories import EXIT_FOUND, EXIT_NOT_CHECKED, verdict
from tests.supply.licences import UNKNOWN, is_accepted, licence_of, problems
from tests.supply.lock import pins
from tests.supply.support import SUPPORT


def test_every_locked_package_has_an_accepted_licence() -> None:
    assert problems({package: licence_of(package) for package in pins()}, date(2026, 1, 1)) == []


@pytest.mark.parametrize(
    ("expression", "accepted"),
    [
        ("MIT", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("Apache-2.0 AND BSD-2-Clause", True),
        ("AGPL-3.0-or-later", False),
        (UNKNOWN, False),
    ],
)
def test_a_licence_is_accepted_only_if_it_allows_our_use(expression: str, accepted: bool) -> None:
    assert is_accepted(expression) is accepted


def test_an_end_of_support_is_a_problem_in_production_only() -> None:
    [problem] = problems({}, date(2027, 6, 1))
    assert problem.startswith("Motor 3.7: ENDED 2027-05-14")
    assert any(each.use == "development" and each.ends and each.ends < date(2026, 1, 1) for each in SUPPORT)


def _answer(**skipped: str) -> dict[str, Any]:
    return {
        "dependencies": [
            {"name": "good", "version": "1", "vulns": []},
            *({"name": name, "skip_reason": reason} for name, reason in skipped.items()),
        ]
    }


@pytest.mark.parametrize("report", [None, {}, [], {"dependencies": []}, _answer(other="not found")])
def test_what_was_not_checked_is_not_called_safe(report: Any) -> None:
    code, [line] = verdict(report, ["good", "other"])

    assert code == EXIT_NOT_CHECKED
    assert line.startswith("NOT CHECKED: ")
    assert "other" in line


def test_a_known_vulnerability_comes_first() -> None:
    vulnerable = {"name": "bad", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
    code, lines = verdict({"dependencies": [vulnerable]}, ["bad", "other"])

    assert (code, lines[0]) == (EXIT_FOUND, "bad 2: CVE-1, fixed in 3")
    assert lines[1].startswith("NOT CHECKED: 1 of 2")


def test_all_checked_and_nothing_known_is_success() -> None:
    assert verdict(_answer(), ["good"]) == (0, ["1 packages checked; nothing is known of them."])
