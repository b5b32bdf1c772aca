"""A pytest plugin that orders `make test`: quick tests run first, and a failure among them ends the run.

With several processes, each takes the next file; so the longest files of a tier come first.
"""

from __future__ import annotations

import pytest

QUICK = ("architecture", "contracts", "unit", "workflow")
"""Tiers without servers."""

REST = ("faults", "api", "simulation", "bench", "oracle", "connected", "guides")
LONGEST = ("tests/faults/test_crash_points.py", "tests/api/test_fuzz.py", "tests/connected/test_demo.py")

_TIERS = {tier: number for number, tier in enumerate(QUICK + REST)}


def _tier(nodeid: str) -> str:
    return nodeid.split("/")[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> tuple[int, bool]:
        return _TIERS.get(_tier(item.nodeid), len(_TIERS)), not item.nodeid.startswith(LONGEST)

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
