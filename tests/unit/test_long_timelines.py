"""A timeline shows the newest steps of what a sender has made long, and says that there are more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.operators.timeline import timeline_of
from infra.ports.store import Document

START = datetime(2026, 11, 29, 12, tzinfo=UTC)
ORDER = "s1/1001"


class Journals:
    """Records of one worker, each with some messages of the order and of others."""

    def __init__(self, records: int, messages: int) -> None:
        self.read = 0
        self.records = [self._record(number, messages) for number in range(records)]

    def _record(self, number: int, messages: int) -> Document:
        handled = [self._item(f"m-{number}-{each}", f"order/{ORDER}") for each in range(messages)]
        handled += [self._item(f"o-{number}-{each}", "order/s2/1") for each in range(messages)]
        return {"_id": number, "at": START + timedelta(seconds=number), "handled": handled}

    def _item(self, message_id: str, about: str) -> Document:
        kind = {"type": "order.after-sale.v1", "outcome": "after_sale_changed"}
        return {"id": message_id, "about": about, "correlation": about, **kind}

    async def stream(
        self, collection: str, where: Mapping[str, Any], *, sort: Any = (), fields: Sequence[str] = ()
    ) -> AsyncIterator[Document]:
        if "about" in where:
            for record in self.records[::-1] if sort else self.records:
                self.read += 1
                yield record

    async def find_parts(self, *_: Any, **__: Any) -> tuple[list[Document], bool]:
        return [], False

    async def find(self, *_: Any, **__: Any) -> list[Document]:
        return []


async def test_of_a_long_history_the_newest_steps_are_shown() -> None:
    journals = Journals(records=80, messages=100)

    found = await timeline_of(journals, ["order_intake"], ORDER)  # type: ignore[arg-type]

    assert len(found.steps) == 500
    assert not found.complete
    assert {step.about for step in found.steps} == {f"order/{ORDER}"}
    assert min(step.at for step in found.steps) == START + timedelta(seconds=75)
    assert journals.read == 5, "what is older is not read"


async def test_a_usual_history_is_shown_as_a_whole() -> None:
    found = await timeline_of(Journals(records=9, messages=2), ["order_intake"], ORDER)  # type: ignore[arg-type]

    assert (len(found.steps), found.complete) == (18, True)
    assert [step.at for step in found.steps] == sorted(step.at for step in found.steps)
