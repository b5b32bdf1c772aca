"""Stock: shown, set to a count, and corrected in bulk."""

from __future__ import annotations

from email.message import Message
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field
from starlette.datastructures import UploadFile

from api.access.guard import needs
from api.access.ports import Here
from api.access.writing import Writing, written
from api.catalog.view import BY_NUMBER
from api.http.bodies import Body, BodyRoute
from api.http.conditions import NOT_MODIFIED, IfNoneMatch, read_response
from api.http.paging import Cursor, Limit, Page, next_link, page_of
from api.http.parameters import AS_IN_JSON
from api.http.problems import Problem, documented
from api.identity.principal import Principal
from api.stock.adjustments import LINES_MAX, Adjustment, Results, adjust_all, lines_of_csv, lines_of_json
from api.stock.view import StockView, find_stock, item_of, require_product, stock_view
from contracts.fields import IsoDate, Zone
from contracts.stock.v1 import BatchId, OnHand, SetStock
from contracts.stock.view import IS_SHORT, ITEMS

router = APIRouter(prefix="/api/inventory", tags=["inventory"], route_class=BodyRoute)

Reads = Annotated[Principal, needs("inventory:read")]
Writes = Annotated[Principal, needs("inventory:write")]
ProductNumber = Annotated[int, Path(ge=1, le=2**63 - 1, description="The product.", examples=[1082185]), AS_IN_JSON]

_FORM_FIELDS_MAX = 16
_CSV = "product_id,batch_id,delta,stock,expiry_date\n1082185,lot-2026-11,-2,,\n1082186,default,,120,2027-03-31\n"
_LINES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": LINES_MAX,
                    "items": Adjustment.model_json_schema(),
                },
                "example": [
                    {"product_id": 1082185, "batch_id": "lot-2026-11", "delta": -2},
                    {"product_id": 1082186, "stock": 120, "expiry_date": "2027-03-31"},
                ],
            },
            "text/csv": {
                "schema": {
                    "type": "string",
                    "description": "The first line names the fields, as in the JSON form, in any order. "
                    "Days are written `2027-03-31` or `2027/3/31`. Spreadsheets keep 15 digits of a number: give a "
                    "column of longer ids the format Text before you fill it.",
                },
                "example": _CSV,
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary", "description": "The CSV file."}},
                },
                "example": {"file": _CSV},
            },
        },
    }
}


class NewStock(Body):
    """The result of counting one lot."""

    stock: OnHand
    batch_id: BatchId = "default"
    expiry_date: Annotated[IsoDate | None, Field(description="The lot's last day of sale; unchanged if absent.")] = None
    zone: Annotated[
        Zone | None, Field(description="The time zone in which the last days of the product's lots end.")
    ] = None


@router.put(
    "/{product_id}",
    summary="Set the stock of a lot",
    response_model=StockView,
    responses=written("not_found", "conflicting_reference", shown=StockView),
)
async def set_stock(
    product_id: ProductNumber, body: NewStock, ports: Here, principal: Writes, writing: Writing
) -> Response:
    """Sets the booked stock of this lot, whatever it was and whatever is in progress: the difference is booked as a
    correction. If orders have reserved more than the new stock, the newest unpaid ones are cancelled a moment later;
    `short` is what is missing until then, and afterwards what paid orders lack.
    """
    await require_product(ports.store, product_id)
    command = SetStock(
        reference=writing.derived("count"),
        product_id=product_id,
        batch_id=body.batch_id,
        on_hand=body.stock,
        expiry_date=body.expiry_date,
        zone=body.zone,
    )

    async def show() -> StockView:
        return stock_view(await find_stock(ports.store, product_id), ports.time.now())

    return await writing.write(command, show)


@router.get("", summary="List stock", responses=documented("invalid_cursor"))
async def list_stock(
    request: Request,
    ports: Here,
    principal: Reads,
    low: Annotated[bool | None, Query(description="Products that run low, or those that do not.")] = None,
    short: Annotated[
        bool | None, Query(description="Products with more units reserved than on hand, or the others.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[StockView]:
    """Products that ever had stock, by number."""
    where: list[dict[str, Any]] = [{"low": low}] if low is not None else []
    where += [{IS_SHORT: True}] if short else []
    # Nearly all are not short, and older documents lack the field until their next message.
    rest = [{IS_SHORT: {"$ne": True}}] if short is False else []
    found, after = await page_of(ports.store, ITEMS, BY_NUMBER, listed=where, checked=rest, cursor=cursor, limit=limit)
    now = ports.time.now()
    return Page(items=[stock_view(item_of(document), now) for document in found], next=next_link(request, after))


@router.get(
    "/{product_id}",
    summary="Show the stock of a product",
    response_model=StockView,
    responses={**NOT_MODIFIED, **documented("not_found")},
)
async def show_stock(
    product_id: ProductNumber, request: Request, ports: Here, principal: Reads, if_none_match: IfNoneMatch = None
) -> Response:
    return read_response(request, stock_view(await find_stock(ports.store, product_id), ports.time.now()))


@router.post(
    "/adjustments",
    summary="Correct many lots",
    responses={
        **{
            status: answer
            for status, answer in written("too_many_lines", "unsupported_media_type", shown=Results).items()
            if status != 202
        },
        200: {"description": "The result of each line."},
    },
    openapi_extra=_LINES,
)
async def adjust_stock(request: Request, principal: Writes, writing: Writing, response: Response) -> Results:
    """A JSON array, or a CSV file: as the body, or as the file of a form. Each line is applied or refused by itself;
    see `results`.

    One line per lot: `delta` corrects it, `stock` sets it. With an Idempotency-Key the request may be repeated.
    A CSV file may be in UTF-8, UTF-16 or GBK, or in the charset that its Content-Type names; its columns are separated
    by commas, semicolons or tabs.
    """
    results = await adjust_all(writing, await _lines_of(request))
    if (applied := writing.preferences.applied or writing.preferences.applied_without_outcome) is not None:
        response.headers["Preference-Applied"] = applied
    return results


async def _lines_of(request: Request) -> list[Any]:
    """Raises Problem malformed_request, invalid_request, too_many_lines, unsupported_media_type."""
    kind, charset = _content_type(request.headers.get("content-type", ""))
    match kind:
        case "application/json":
            return lines_of_json(await request.body())
        case "text/csv":
            return lines_of_csv(await request.body(), charset)
        case "multipart/form-data":
            async with request.form(max_files=1, max_fields=_FORM_FIELDS_MAX) as form:
                file = next((part for part in form.values() if isinstance(part, UploadFile)), None)
                if file is None:
                    raise Problem("invalid_request", detail="The form has no file.")
                kind, charset = _content_type(file.content_type or "")
                body = await file.read()
            # Browsers send the media type that the machine has for CSV files, whatever it is.
            return lines_of_json(body) if kind == "application/json" else lines_of_csv(body, charset)
        case _:
            raise Problem("unsupported_media_type", detail="Send application/json, text/csv or multipart/form-data.")


def _content_type(header: str) -> tuple[str, str | None]:
    message = Message()
    message["content-type"] = header
    charset = message.get_param("charset")
    return header.partition(";")[0].strip().lower(), charset if isinstance(charset, str) else None
