"""Many corrections of stock at once: the lines of a file or a list, and the result of each line.

A line that is refused does not stop the others.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from api.access.writing import MESSAGES_AT, Sent, Writer, is_unchanged, refuse
from api.http.bodies import Body, read_json
from api.http.ids import ShownId, numbers_of
from api.http.problems import FieldError, Problem, Reason, field_errors
from api.http.tables import InvalidTable, day_of, fields_named, rows_of, text_of
from api.stock.view import known_products
from contracts.fields import QUANTITY_MAX, IsoDate, ProductId, Reference
from contracts.numbers import whole_of
from contracts.stock.v1 import AdjustStock, BatchId, SetStock, StockAdjusted
from contracts.wire.envelope import Command
from infra.ports.messaging import BrokerUnavailable
from infra.ports.store import StoreConflict, StoreUnavailable

log = structlog.get_logger()

LINES_MAX = 500
"""A request is answered once all of its lines are; more lines need more requests."""

_AT_ONCE = 100
"""Concurrent lines, so that one upload does not occupy the store."""

_NUMBERS = ("product_id", "delta", "stock")
_DAY = "expiry_date"
_CELL_MAX = 1_000

REASONS = {
    "too_many_lines": Reason(
        422, f"More than {LINES_MAX} lines; send them in parts.", f"超过 {LINES_MAX} 行，请分批提交。"
    ),
    "repeated_line": Reason(
        422, "An earlier line is for the same lot; a request corrects a lot once.", "同一批次已在前面的行中出现。"
    ),
}


class Adjustment(Body):
    """One line: either `delta`, units above or below the booked stock, or `stock`, the counted units of the lot."""

    model_config = ConfigDict(title="StockAdjustment")

    product_id: ProductId
    batch_id: BatchId = "default"
    delta: Annotated[
        Annotated[int, Field(strict=True, ge=-QUANTITY_MAX, le=QUANTITY_MAX)] | None,
        Field(description="Units to add to the lot; negative to remove.", examples=[-2]),
    ] = None
    stock: Annotated[
        Annotated[int, Field(strict=True, ge=0, le=QUANTITY_MAX)] | None,
        Field(description="Units of the lot on hand, including reserved ones; instead of `delta`."),
    ] = None
    expiry_date: Annotated[IsoDate | None, Field(description="The lot's last day of sale; with `stock` only.")] = None
    reference: Annotated[
        Reference | None, Field(description="Your own id of this line: a repeat, even in another request, counts once.")
    ] = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.delta is None) == (self.stock is None):
            raise ValueError("give either delta or stock")
        if self.expiry_date is not None and self.stock is None:
            raise ValueError("expiry_date goes with stock, not with delta")
        return self

    def as_command(self, reference: str) -> Command:
        named = {"product_id": self.product_id, "batch_id": self.batch_id}
        if self.stock is None:
            return AdjustStock(adjustment_id=self.reference or reference, delta=self.delta or 0, **named)
        return SetStock(
            reference=self.reference or reference, on_hand=self.stock, expiry_date=self.expiry_date, **named
        )


Status = Literal["done", "unchanged", "accepted", "refused", "invalid", "failed"]


class LineResult(BaseModel):
    model_config = ConfigDict(title="StockAdjustmentResult")

    line: int = Field(description="Its position in the list, from 1; a file's heading is not counted.", examples=[1])
    status: Status = Field(
        description="`done`; `unchanged`: it was already so; `accepted`: not known yet, see `status_url`; `refused` "
        "and `invalid`: nothing was changed, see `reason`; `failed`: send it again with the same Idempotency-Key."
    )
    product_id: ShownId | None = Field(default=None, examples=[1082185])
    batch_id: str | None = Field(default=None, examples=["lot-2026-11"])
    on_hand: int | None = Field(default=None, description="Of the product, afterwards.", examples=[120])
    available: int | None = Field(default=None, description="Of the product, afterwards.", examples=[100])
    short: int | None = Field(
        default=None,
        description="Units of the product that orders have reserved beyond the stock on hand; the newest unpaid orders "
        "are cancelled for them.",
        examples=[None],
    )
    reason: str | None = Field(default=None, examples=[None])
    detail: str | None = Field(default=None, examples=[None])
    errors: list[FieldError] | None = Field(default=None, examples=[None])
    status_url: str | None = Field(default=None, examples=[None])


class Results(BaseModel):
    """The result of each line, in order."""

    model_config = ConfigDict(title="StockAdjustmentResults")

    counts: dict[Status, int] = Field(description="The number of lines by status.", examples=[{"done": 1}])
    results: list[LineResult]


def lines_of_json(body: bytes) -> list[Any]:
    """Raises Problem malformed_request, invalid_request, too_many_lines."""
    try:
        sent = numbers_of(read_json(body))
    except ValueError as error:
        raise Problem("malformed_request", detail="The body is not JSON.") from error
    if not isinstance(sent, list) or not sent:
        raise Problem("invalid_request", detail="The body must be an array with at least one object.")
    if len(sent) > LINES_MAX:
        raise Problem("too_many_lines")
    return sent


def lines_of_csv(body: bytes, charset: str | None = None) -> list[Any]:
    """The lines of a CSV file. Its first line names the fields, in any order; an empty cell is an absent field.

    Raises Problem malformed_request, invalid_request, too_many_lines.
    """
    try:
        heading, rows = rows_of(text_of(body, charset))
        names = fields_named(heading, tuple(Adjustment.model_fields))
        named = [name for name in names if name]
        if "product_id" not in named or len(set(named)) != len(named):
            raise Problem(
                "invalid_request", detail=f"The first line must name the fields: {','.join(Adjustment.model_fields)}."
            )
        lines: list[Any] = []
        for row in rows:
            if len(lines) == LINES_MAX:
                raise Problem("too_many_lines")
            lines.append(_fields(names, row))
    except InvalidTable as error:
        raise Problem("malformed_request", detail=str(error)) from error
    if not lines:
        raise Problem("invalid_request", detail="There is no line below the heading.")
    return lines


def _fields(heading: Sequence[str], row: Sequence[str]) -> dict[str, Any]:
    cells = [cell[:_CELL_MAX] for cell in row]
    # A cell beyond the heading, or below an empty one, gets a name that is then refused as an unknown field.
    names = [*heading, *("" for _ in cells[len(heading) :])]
    sent = {name or f"column {at}": cell for at, (name, cell) in enumerate(zip(names, cells, strict=False), 1) if cell}
    return {name: _value(name, cell) for name, cell in sent.items()}


def _value(name: str, cell: str) -> int | str:
    if name in _NUMBERS:
        return _number(cell)
    return day_of(cell) if name == _DAY else cell


def _number(cell: str) -> int | str:
    """Other spellings stay text, which is refused: `00012` may be the code of another product than 12."""
    number = whole_of(cell)
    return cell if number is None else number


async def adjust_all(writing: Writer, sent: Sequence[Any]) -> Results:
    """Send all valid lines concurrently; the result of each line. Raises a failure that stopped all of them."""
    read = [_read(number, line) for number, line in enumerate(sent, start=1)]
    wanted = {one.product_id for one in read if isinstance(one, Adjustment)}
    known = await known_products(writing.ports.store, sorted(wanted))
    seen: set[tuple[int, str]] = set()
    turn = asyncio.Semaphore(_AT_ONCE)

    async def send(number: int, line: Adjustment | LineResult) -> LineResult:
        if isinstance(line, LineResult):
            return line
        lot = (line.product_id, line.batch_id)
        if line.product_id not in known:
            return _stopped(number, line, "product_unknown", f"product_id: {line.product_id} is not in the catalogue.")
        if lot in seen:
            return _stopped(number, line, "repeated_line", "batch_id: an earlier line is for this lot.")
        seen.add(lot)
        async with turn:
            return await _adjust(writing, number, line)

    answers = await asyncio.gather(
        *(send(number, line) for number, line in enumerate(read, start=1)), return_exceptions=True
    )
    results = _with_failures(read, answers)
    return Results(counts=Counter(result.status for result in results), results=results)


def _read(number: int, line: Any) -> Adjustment | LineResult:
    try:
        return Adjustment.model_validate(line)
    except ValidationError as error:
        errors = [FieldError(**one) for one in field_errors(error.errors())]
        return LineResult(line=number, status="invalid", reason="invalid_request", errors=errors)


async def _adjust(writing: Writer, number: int, line: Adjustment) -> LineResult:
    command = line.as_command(writing.derived("adjustment", number))
    sent = await writing.send(command, part=str(number))
    about = {"line": number, "product_id": line.product_id, "batch_id": line.batch_id}
    if sent.outcome is None:
        return LineResult(**about, status="accepted", status_url=MESSAGES_AT + sent.message_id)
    refuse(sent)
    figures = _figures(sent)
    return LineResult(**about, status="unchanged" if is_unchanged(sent.outcome) else "done", **figures)


def _figures(sent: Sent) -> dict[str, int]:
    event = sent.event(StockAdjusted.message_type)
    return {name: event[name] for name in ("on_hand", "available", "short") if name in event} if event else {}


def _with_failures(
    read: Sequence[Adjustment | LineResult], answers: Sequence[LineResult | BaseException]
) -> list[LineResult]:
    """Each line's result. Raises the failure, if no line could be sent."""
    outages = [answer for answer in answers if isinstance(answer, BrokerUnavailable | StoreUnavailable | StoreConflict)]
    if len(outages) == sum(isinstance(line, Adjustment) for line in read) and outages:
        raise outages[0]
    results = []
    for number, (line, answer) in enumerate(zip(read, answers, strict=True), start=1):
        if isinstance(answer, LineResult):
            results.append(answer)
            continue
        assert isinstance(line, Adjustment), "an invalid line is not sent"
        if isinstance(answer, Problem):
            results.append(_stopped(number, line, answer.reason, answer.detail, "refused"))
        elif isinstance(answer, BrokerUnavailable | StoreUnavailable | StoreConflict):
            log.warning("line failed", line=number, reason=str(answer))
            results.append(_stopped(number, line, _OUTAGES[type(answer)], None, "failed"))
        else:
            raise answer
    return results


_OUTAGES: dict[type[BaseException], str] = {
    BrokerUnavailable: "broker_unavailable",
    StoreUnavailable: "store_unavailable",
    StoreConflict: "busy",
}


def _stopped(number: int, line: Adjustment, reason: str, detail: str | None, status: Status = "invalid") -> LineResult:
    return LineResult(
        line=number, status=status, product_id=line.product_id, batch_id=line.batch_id, reason=reason, detail=detail
    )
