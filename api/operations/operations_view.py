"""Dead letters and traces, for operators."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.http.ids import ShownObject
from api.storage.protocols import Documents
from contracts.operations.view import DEAD_LETTERS, DeadLetter, DeadLetterState
from infra.operators.timeline import timeline_of
from infra.ports.store import Document
from infra.runtime import roster
from infra.runtime.repository import Codec

_letters = Codec(DeadLetter, key="letter_id")

BODY_CHARS_MAX = 65_536
"""The length of the shown body; a replay sends the whole one."""


class LetterSummary(BaseModel):
    model_config = ConfigDict(title="DeadLetterSummary")

    letter_id: str = Field(examples=["0d9c1c0e-5f57-5a55-8a3c-3a1f6c1e8b21"])
    worker: str = Field(examples=["order_intake"])
    queue: str = Field(examples=["order_intake.order.place"])
    message_id: str = Field(examples=["8f0e6a52-53f4-5bb1-9a0e-0c1f7f6f3f11"])
    type: str = Field(examples=["order.place.v2"])
    reason: str = Field(examples=["invalid_value"])
    detail: str = Field(examples=["lines.0.quantity: Input should be greater than or equal to 1"])
    attempts: int = Field(examples=[1])
    replays: int = Field(examples=[0])
    concerns: str | None = Field(
        description="The subject of the message, if it could be read.", examples=["order/shop-367/31198459904"]
    )
    died_at: datetime
    state: DeadLetterState = Field(examples=["waiting"])
    settled_by: str | None = Field(examples=[None])
    settled_at: datetime | None = Field(examples=[None])
    note: str | None = Field(examples=[None])


class LetterView(LetterSummary):
    model_config = ConfigDict(title="DeadLetter")

    content_type: str | None = Field(examples=["application/json"])
    encoding: str = Field(description="`utf-8`, or `base64` where the body is not text.", examples=["utf-8"])
    body: str = Field(description="The body as received, cut after 65,536 characters.", examples=["{}"])
    traceback: str | None = Field(examples=[None])


class TraceStep(BaseModel):
    model_config = ConfigDict(title="TraceStep")

    at: datetime
    worker: str = Field(examples=["order_intake"])
    message_id: str = Field(examples=["urn:shop-367/8f0e6a52"])
    type: str = Field(examples=["order.place.v2"])
    outcome: str = Field(examples=["accepted"])
    about: str = Field(examples=["order/shop-367/31198459904"])
    correlation_id: str | None = Field(examples=["order/shop-367/31198459904"])
    emitted: list[ShownObject] = Field(description="The events that it caused, as CloudEvents.", examples=[[]])
    dead_letter: ShownObject | None = Field(
        description="The dead letter that it became, with its state.", examples=[None]
    )


class Trace(BaseModel):
    of: str = Field(examples=["shop-367/31198459904"])
    steps: list[TraceStep] = Field(description="The newest 500 at most, oldest first.")
    complete: bool = Field(description="False if there are older steps.", examples=[True])


async def find_letter(store: Documents, letter_id: str) -> DeadLetter | None:
    found = await store.find(DEAD_LETTERS, {"_id": letter_id}, limit=1)
    return _letters.to_entity(found[0]) if found else None


SUMMARY_FIELDS = tuple(name for name in LetterSummary.model_fields if name != "letter_id")
"""Without the body and the traceback, which are most of a letter."""


def letter_summary(document: Document) -> LetterSummary:
    """Of a letter's SUMMARY_FIELDS."""
    return LetterSummary(**_summary(_letters.to_entity({**document, "encoding": "utf-8", "body": ""})))


def letter_view(letter: DeadLetter) -> LetterView:
    more = {name: getattr(letter, name) for name in ("content_type", "encoding", "traceback")}
    return LetterView(**_summary(letter), **more, body=letter.body[:BODY_CHARS_MAX])


def _summary(letter: DeadLetter) -> dict[str, Any]:
    return {name: getattr(letter, name) for name in LetterSummary.model_fields}


async def trace_of(store: Documents, name: str) -> Trace:
    found = await timeline_of(store, roster.names(), name)
    return Trace(
        of=name,
        complete=found.complete,
        steps=[
            TraceStep(
                at=step.at,
                worker=step.worker,
                message_id=step.id,
                type=step.type,
                outcome=step.outcome,
                about=step.about,
                correlation_id=step.correlation,
                emitted=list(step.emitted),
                dead_letter=step.letter,
            )
            for step in found.steps
        ],
    )
