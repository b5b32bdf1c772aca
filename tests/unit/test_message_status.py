"""The status of a message is read from its own items of the journals, however large the batches around them are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from api.http.problems import Reason
from api.identity.principal import Principal
from api.operations.messages_view import message_status
from api.storage.repository import MESSAGES
from infra.ports.store import JOURNALS, Document
from tests.builders import NOW
from tests.workflow.documents import BoundedByFind

BOSS = Principal("admin", "boss", frozenset())
KEY = f"{BOSS.source}/m-1"
REASONS = {"stock_short": Reason(422, "No stock.", "\u65e0\u5e93\u5b58")}
REFUSAL = {"type": "order.refused.v1", "data": {"reason": "stock_short", "detail": "None left."}}


class Journals(BoundedByFind):
    """The journal of order_intake, whose records are never read whole; and the requests of the API."""

    def __init__(self, *records: Document) -> None:
        self._records = records
        self._is_part = False

    async def find(self, collection: str, where: Mapping[str, Any], **_: Any) -> list[Document]:
        if collection == MESSAGES.name:
            request = {"_id": KEY, "type": "order.place.v2", "about": "order/s1/1", "at": NOW}
            return [{**request, "correlation": "c-1", "location": None}]
        assert self._is_part, f"a record of {collection} is read whole"
        if collection != f"{JOURNALS}order_intake":
            return []
        [(path, wanted)] = where.items()
        array, _dot, field = path.partition(".")
        return [record for record in self._records if wanted in _values(record, array, field)]

    async def find_parts(self, *args: Any, **kwargs: Any) -> tuple[list[Document], bool]:
        self._is_part = True
        found = await super().find_parts(*args, **kwargs)
        self._is_part = False
        return found

    async def scan_parts(self, *args: Any, **kwargs: Any) -> tuple[list[Document], bool]:
        self._is_part = True
        found = await super().scan_parts(*args, **kwargs)
        self._is_part = False
        return found


def _values(record: Document, array: str, field: str) -> list[Any]:
    return [item[field] if field else item for item in record.get(array, ())]


def a_record(**arrays: list[Document]) -> Document:
    return {"_id": 1, "about": ["c-1"], **arrays}


def emitted(cause: str, event: Document) -> Document:
    return {"cause": cause, "type": event["type"], "body": json.dumps(event).encode()}


@pytest.mark.parametrize(
    ("record", "state", "outcome", "reason"),
    [
        (a_record(handled=[{"id": KEY, "outcome": "accepted"}]), "done", "accepted", None),
        (
            a_record(
                handled=[{"id": KEY, "outcome": "refused"}, {"id": "another", "outcome": "accepted"}],
                emitted=[emitted("another", {**REFUSAL, "data": {"reason": "x"}}), emitted(KEY, REFUSAL)],
            ),
            "refused",
            "refused",
            "stock_short",
        ),
        (a_record(dead=[{"id": KEY, "reason": "handler_error"}]), "set_aside", None, "handler_error"),
        (a_record(retried=[{"id": "another", "reason": "y"}, {"id": KEY, "reason": "z"}]), "retrying", None, "z"),
        (a_record(retried=[{"id": "another", "reason": "y"}]), "pending", None, None),
    ],
)
async def test_the_state_is_that_of_the_message_alone(
    record: Document, state: str, outcome: str | None, reason: str | None
) -> None:
    shown = await message_status(Journals(record), BOSS, "m-1", REASONS, "en")  # type: ignore[arg-type]

    assert shown is not None
    assert (shown.state, shown.outcome, shown.reason) == (state, outcome, reason)
    assert shown.detail == ("None left." if state == "refused" else None)


async def test_a_refusal_is_shown_in_words() -> None:
    record = a_record(handled=[{"id": KEY, "outcome": "refused"}], emitted=[emitted(KEY, REFUSAL)])

    shown = await message_status(Journals(record), BOSS, "m-1", REASONS, "zh")  # type: ignore[arg-type]

    assert shown is not None
    assert shown.title == REASONS["stock_short"].zh
