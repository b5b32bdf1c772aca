"""An event invalidates every month that it may change, in whatever zone the rules have."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from api.storage.figures import Figures
from contracts.commissions.v1 import CommissionAccrued
from infra.settings import Settings
from tests.workflow.in_memory import InMemoryStore, ManualTime


class _Invalidated:
    """A cache that notes what it is to drop."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    async def invalidate(self, keys: Sequence[str], **_: Any) -> None:
        self.keys += keys


@pytest.mark.parametrize(
    ("now", "months"),
    [
        (datetime(2026, 11, 30, 11, tzinfo=UTC), {"2026-10", "2026-11", "2026-12"}),
        (datetime(2026, 12, 31, 11, tzinfo=UTC), {"2026-11", "2026-12", "2027-01"}),
        (datetime(2026, 11, 15, tzinfo=UTC), {"2026-10", "2026-11"}),
    ],
    ids=["the month ends in the east", "the year does", "in the middle"],
)
async def test_months_that_have_begun_somewhere_are_invalidated(now: datetime, months: set[str]) -> None:
    cache: Any = _Invalidated()
    store: Any = InMemoryStore([])
    figures = Figures(store, cache, ManualTime(now), Settings())

    await figures.on_events([{"type": CommissionAccrued.message_type, "data": {"entries": [{"distributor_id": 7}]}}])

    found = {key.rpartition(":")[2] for key in cache.keys if ":month:" in key}
    assert found == {f"7/{month}" for month in months}
