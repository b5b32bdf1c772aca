"""The status of a command, from the journals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.http.problems import Language, Reason
from api.identity.principal import Principal
from api.storage.protocols import Documents
from api.storage.repository import MESSAGES
from contracts.wire.catalogue import is_refusal
from infra.ports.store import JOURNALS, Document
from infra.runtime import roster

State = Literal["pending", "retrying", "done", "refused", "set_aside"]


class MessageView(BaseModel):
    model_config = ConfigDict(title="Message")

    message_id: str = Field(examples=["2f6c9a52-4d1e-4c7b-9a0e-0c1f7f6f3f11"])
    type: str = Field(examples=["order.place.v1"])
    about: str = Field(examples=["order/shop-367/31198459904"])
    sent_at: datetime
    state: State = Field(
        description="`pending`: in its queue. `retrying`: something that it refers to has not arrived; it is "
        "retried. `done`, `refused`: handled. `set_aside`: dead-lettered, waits for an operator.",
        examples=["done"],
    )
    outcome: str | None = Field(description="The outcome, as a code.", examples=["accepted"])
    reason: str | None = Field(description="The reason of a refusal or a retry, as a code.", examples=[None])
    title: str | None = Field(description="The reason as a sentence, in the requested language.", examples=[None])
    detail: str | None = Field(description="What exactly was wrong.", examples=[None])
    location: str | None = Field(
        description="The address of the thing that it created, once it is done.",
        examples=["/api/orders/shop-367/31198459904"],
    )


async def message_status(
    store: Documents, principal: Principal, message_id: str, reasons: Mapping[str, Reason], language: Language
) -> MessageView | None:
    """The message with this id, if this principal sent it."""
    key = f"{principal.source}/{message_id}"
    stored = await store.find(MESSAGES.name, {"_id": key}, limit=1)
    if not stored or "type" not in stored[0]:
        return None
    record = stored[0]
    known = await asyncio.gather(*(_status_in(store, worker, key, record["correlation"]) for worker in roster.names()))
    state, outcome, reason, detail = max(known, key=lambda found: _WEIGHT[found[0]])
    sentence = reasons.get(reason) if reason else None
    return MessageView(
        message_id=message_id,
        type=record["type"],
        about=record["about"],
        sent_at=record["at"],
        state=state,
        outcome=outcome,
        reason=reason,
        title=sentence.in_language(language) if sentence else None,
        detail=detail,
        location=record["location"] if state == "done" else None,
    )


_WEIGHT: dict[State, int] = {"pending": 0, "retrying": 1, "set_aside": 2, "done": 3, "refused": 4}
_BYTES_MAX = 2 * 1024 * 1024
"""Of what a message emitted."""
_SCANNED_BYTES_MAX = 8 * 1024 * 1024
"""Of the records of one worker that the store looks through for a message that is retried."""
_Found = tuple[State, str | None, str | None, str | None]
"""State, outcome, reason and detail."""


async def _status_in(store: Documents, worker: str, key: str, correlation: str) -> _Found:
    """Of the records, which hold whole batches, only the items of this message are read."""
    journal = JOURNALS + worker
    for item in await _items(store, journal, {"handled.id": key}, "handled", "id", key):
        return _handled(item, await _items(store, journal, {"handled.id": key}, "emitted", "cause", key))
    for item in await _items(store, journal, {"dead.id": key}, "dead", "id", key):
        return "set_aside", None, item["reason"], None
    found, _ = await store.scan_parts(
        journal,
        {"about": correlation},
        arrays=("retried",),
        by=("id",),
        values=(key,),
        newest_first=True,
        fields=("_id",),
        items_max=1,
        bytes_max=_SCANNED_BYTES_MAX,
    )
    for record in found:
        for item in record.get("retried") or ():
            return "retrying", None, item["reason"], None
    return "pending", None, None, None


async def _items(
    store: Documents, journal: str, where: Mapping[str, str], array: str, field: str, key: str
) -> list[Document]:
    found, _ = await store.find_parts(
        journal, where, array=array, field=field, values=(key,), limit=1, bytes_max=_BYTES_MAX
    )
    return [item for record in found for item in record.get(array) or ()]


def _handled(item: Document, emitted: list[Document]) -> _Found:
    for event in emitted:
        if is_refusal(event["type"]):
            refusal = json.loads(event["body"])["data"]
            return "refused", item["outcome"], refusal["reason"], refusal.get("detail")
    return "done", item["outcome"], None, None
