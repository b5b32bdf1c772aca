"""A pytest plugin that orders `make test`: quick tests run first, and a failure among them ends the run.

With several processes, each takes the next file; so the longest files come first, and the processes end together.
"""

from __future__ import annotations

import pytest

QUICK = ("architecture", "contracts", "unit", "workflow")
"""Tiers without servers."""

REST = ("faults", "api", "simulation", "bench", "oracle", "connected", "guides")
LONGEST = (
    "tests/connected/test_demo.py",
    "tests/api/test_fuzz.py",
    "tests/faults/test_crash_points.py",
    "tests/faults/test_nemesis.py",
    "tests/simulation/test_simulation.py",
    "tests/connected/test_server_hangs.py",
    "tests/simulation/test_planted_bugs.py",
    "tests/connected/test_exported_addresses.py",
    "tests/connected/test_killed_starters.py",
    "tests/connected/test_undecodable.py",
    "tests/connected/test_operators.py",
    "tests/connected/test_outage_reported.py",
    "tests/bench/test_growth.py",
    "tests/bench/test_bench.py",
    "tests/connected/test_rules_commands.py",
    "tests/guides/test_add_a_worker.py",
    "tests/oracle/test_agreement.py",
    "tests/connected/test_restarts.py",
    "tests/connected/test_receivers_secrets.py",
    "tests/faults/test_killed_deliveries.py",
    "tests/connected/test_settlement_commands.py",
)
"""The files of the rest that take longest, the longest first."""

_PLACES = {file: number for number, file in enumerate(LONGEST)}
_TIERS = {tier: number for number, tier in enumerate(QUICK + REST)}


def _tier(nodeid: str) -> str:
    return nodeid.split("/")[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> tuple[bool, int, int]:
        file, tier = item.nodeid.partition("::")[0], _tier(item.nodeid)
        place_among_longest = _PLACES.get(file, len(_PLACES))
        return tier not in QUICK, place_among_longest, _TIERS.get(tier, len(_TIERS))

    items.sort(key=place)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_EndsEarly())


class _EndsEarly:
    """Ends the run before the rest if a quick test has failed."""

    def __init__(self) -> None:
        self._failed = False

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if _tier(report.nodeid) in QUICK:
            self._failed |= report.failed
        elif self._failed:
            pytest.exit("A quick test has failed, so the rest was not run.", returncode=pytest.ExitCode.TESTS_FAILED)
