"""A timeline shows the newest steps of what a sender has made long, and says that there are more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.operators.timeline import timeline_of
from infra.ports.store import Document
from tests.workflow.documents import BoundedByFind

pytestmark = pytest.mark.slow

START = datetime(2026, 11, 29, 12, tzinfo=UTC)
ORDER = "s1/1001"


class Journals(BoundedByFind):
    """Records of one worker, each with some messages of the order and of others."""

    def __init__(self, records: int, messages: int, others: int = 1) -> None:
        self.records = [self._record(number, messages, others) for number in range(records)]

    def _record(self, number: int, messages: int, others: int) -> Document:
        handled = [self._item(f"m-{number}-{each}", f"order/{ORDER}") for each in range(messages)]
        handled += [self._item(f"o-{number}-{each}", "order/s2/1") for each in range(others)]
        return {"_id": number, "at": START + timedelta(seconds=number), "handled": handled}

    def _item(self, message_id: str, about: str) -> Document:
        kind = {"type": "order.after-sale.v1", "outcome": "after_sale_changed"}
        return {"id": message_id, "about": about, "correlation": about, **kind}

    async def find(self, collection: str, where: Mapping[str, Any], *, sort: Any = (), **_: Any) -> list[Document]:
        if "about" not in where:
            return []
        return self.records[::-1] if sort else self.records


async def test_of_a_long_history_the_newest_steps_are_shown() -> None:
    journals = Journals(records=80, messages=100)

    found = await timeline_of(journals, ["order_intake"], ORDER)  # type: ignore[arg-type]

    assert len(found.steps) == 500
    assert not found.complete
    assert {step.about for step in found.steps} == {f"order/{ORDER}"}
    assert min(step.at for step in found.steps) == START + timedelta(seconds=75)


async def test_a_usual_history_is_shown_as_a_whole() -> None:
    found = await timeline_of(Journals(records=9, messages=2), ["order_intake"], ORDER)  # type: ignore[arg-type]

    assert (len(found.steps), found.complete) == (18, True)
    assert [step.at for step in found.steps] == sorted(step.at for step in found.steps)


async def test_what_others_have_in_the_records_of_an_order_is_bounded_by_its_bytes() -> None:
    """Each record is some 2 MB, and has one step of the order."""
    found = await timeline_of(Journals(records=40, messages=1, others=14_000), ["order_intake"], ORDER)  # type: ignore[arg-type]

    assert not found.complete
    assert 10 < len(found.steps) < 25
    assert max(step.at for step in found.steps) == START + timedelta(seconds=39)
