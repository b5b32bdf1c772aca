"""For operators: dead letters and traces. For everyone: the status of their own commands."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from api.access.guard import Authenticated, needs
from api.access.ports import Here
from api.access.writing import Writer, Writing, written
from api.http.bodies import Body, BodyRoute
from api.http.paging import Cursor, Limit, Page, Sorting, next_link, page_of
from api.http.problems import Problem, Reason, documented, language_of, reasons_of
from api.identity.principal import Principal
from api.operations.messages_view import MessageView, message_status
from api.operations.operations_view import (
    SUMMARY_FIELDS,
    LetterSummary,
    LetterView,
    Trace,
    find_letter,
    letter_summary,
    letter_view,
    trace_of,
)
from contracts.fields import Code
from contracts.operations.v1 import Note, SettleDeadLetter, Settlement
from contracts.operations.view import DEAD_LETTERS, DeadLetter, DeadLetterState
from infra.operators import dead_letters

REASONS = {
    "already_discarded": Reason(409, "The dead letter was discarded.", "死信已被丢弃。"),
    "body_too_large_to_keep": Reason(
        409,
        "Only the beginning of the message was kept; ask the sender for smaller messages.",
        "仅保留了消息开头，无法重新投递，请发送方拆分消息。",
    ),
    "cannot_replay": Reason(409, "The dead letter cannot be sent again; discard it.", "该死信无法重新投递，请丢弃。"),
}

router = APIRouter(prefix="/api", tags=["operations"], route_class=BodyRoute)

Reads = Annotated[Principal, needs("operations:read")]
Writes = Annotated[Principal, needs("operations:write")]
LetterPart = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9._:-]{1,128}$", examples=["0d9c1c0e-5f57-5a55-8a3c-3a1f6c1e8b21"])
]
MessagePart = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9._:-]{1,200}$", examples=["2f6c9a52-4d1e-4c7b-9a0e-0c1f7f6f3f11"])
]
Queue = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._-]{1,100}$", examples=["order_intake.order.place"])]

_NEWEST = Sorting("died_at", datetime, -1)


class Decided(Body):
    note: Note = None


@router.get(
    "/dead-letters",
    summary="List dead letters",
    response_model=Page[LetterSummary],
    responses=documented("invalid_cursor"),
)
async def list_letters(
    request: Request,
    ports: Here,
    principal: Reads,
    state: Annotated[DeadLetterState, Query()] = "waiting",
    queue: Queue = None,
    reason: Annotated[Code | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[LetterSummary]:
    """The messages that no worker could handle, newest first."""
    placed = {"state": state} if queue is None else {"state": state, "queue": queue}
    found, after = await page_of(
        ports.store,
        DEAD_LETTERS,
        _NEWEST,
        listed=[placed],
        checked=[{"reason": reason}] if reason is not None else (),
        cursor=cursor,
        limit=limit,
        fields=SUMMARY_FIELDS,
    )
    return Page(items=[letter_summary(document) for document in found], next=next_link(request, after))


@router.get(
    "/dead-letters/{letter_id}",
    summary="Show a dead letter",
    response_model=LetterView,
    responses=documented("not_found"),
)
async def show_letter(letter_id: LetterPart, ports: Here, principal: Reads) -> LetterView:
    """The reason, the traceback, and the body as received."""
    return letter_view(await _letter(ports, letter_id))


_CLOSED: dict[str, Any] = {
    "response_model": LetterView,
    "responses": written(
        "not_found",
        "already_replayed",
        "already_discarded",
        "body_too_large_to_keep",
        "cannot_replay",
        shown=LetterView,
    ),
}


@router.post("/dead-letters/{letter_id}/replay", summary="Send a dead letter again", **_CLOSED)
async def replay_letter(
    letter_id: LetterPart, body: Decided, ports: Here, principal: Writes, writing: Writing
) -> Response:
    """To its original queue, byte for byte. A message that was handled meanwhile is recognised and changes nothing."""
    letter = await _letter(ports, letter_id)
    if letter.state == "discarded":
        raise Problem("already_discarded")
    if letter.is_excerpt:
        raise Problem("body_too_large_to_keep")
    if letter.state == "waiting":
        # The body first, then the mark: after a crash in between, the body is sent again and recognised.
        try:
            await ports.commands.forward(dead_letters.replay(letter))
        except dead_letters.CannotReplay as error:
            raise Problem("cannot_replay", detail=f"The dead letter stays: {error}.") from error
    return await _close(writing, letter, "replayed", body.note)


@router.post("/dead-letters/{letter_id}/discard", summary="Discard a dead letter", **_CLOSED)
async def discard_letter(
    letter_id: LetterPart, body: Decided, ports: Here, principal: Writes, writing: Writing
) -> Response:
    """Needs no further handling. It is kept, with the operator, the time and the note."""
    return await _close(writing, await _letter(ports, letter_id), "discarded", body.note)


@router.get(
    "/trace",
    summary="Trace an order or a message",
    response_model=Trace,
    responses=documented("not_found"),
)
async def trace(
    ports: Here,
    principal: Reads,
    of: Annotated[
        str,
        Query(
            min_length=1,
            max_length=256,
            description="shop_id/order_id, a message id, a dead letter id or a correlation id.",
            examples=["shop-367/31198459904"],
        ),
    ],
) -> Trace:
    """Each handled message: the worker, the time, the outcome, and the events that it caused."""
    found = await trace_of(ports.store, of)
    if not found.steps:
        raise Problem("not_found")
    return found


@router.get(
    "/messages/{message_id}",
    summary="Show the status of a command",
    response_model=MessageView,
    responses=documented("not_found"),
)
async def show_message(message_id: MessagePart, request: Request, ports: Here, principal: Authenticated) -> Response:
    """The Location of a 202. Only the sender of the command sees it; it is kept for thirty days."""
    found = await message_status(ports.store, principal, message_id, reasons_of(request), language_of(request))
    if found is None:
        raise Problem("not_found")
    headers = {"Cache-Control": "no-store", "Vary": "Authorization, Accept-Language"}
    if found.state in ("pending", "retrying"):
        headers["Retry-After"] = "1"
    return JSONResponse(found.model_dump(mode="json"), headers=headers)


async def _letter(ports: Any, letter_id: str) -> DeadLetter:
    letter = await find_letter(ports.store, letter_id)
    if letter is None:
        raise Problem("not_found")
    return letter


async def _close(writing: Writer, letter: DeadLetter, action: Settlement, note: str | None) -> Response:
    async def show() -> LetterView:
        return letter_view(await _letter(writing.ports, letter.letter_id))

    command = SettleDeadLetter(letter_id=letter.letter_id, action=action, by=writing.principal.name[:64], note=note)
    return await writing.write(command, show, before={"state": letter.state})
