"""The sales and commissions of a distributor in a month. Cached."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from api.access.guard import needs
from api.access.ports import Here
from api.access.scope import require_reach
from api.http.conditions import NOT_MODIFIED, IfNoneMatch, read_response
from api.http.ids import ShownId
from api.http.parameters import AS_IN_JSON
from api.http.problems import documented
from api.identity.principal import Principal
from contracts.fields import AnyCurrency
from contracts.money import to_amount

router = APIRouter(tags=["figures"])

Month = Annotated[
    str | None,
    Query(
        pattern=r"^2[0-9]{3}-(0[1-9]|1[0-2])$",
        description="A calendar month; the current one in UTC if absent.",
        examples=["2026-11"],
    ),
]


class OfCurrency(BaseModel):
    currency: AnyCurrency
    orders: int = Field(
        description="Paid orders that the distributor sold, placed in the month, in the zone of their rules.",
        examples=[12],
    )
    net_sales: str = Field(description="Their net, less what was refunded since.", examples=["1280.50"])
    commissions: str = Field(
        description="Commissions booked in the month (UTC), less those clawed back in it.", examples=["64.03"]
    )


class Performance(BaseModel):
    distributor_id: ShownId = Field(examples=[40021])
    month: str = Field(examples=["2026-11"])
    currencies: list[OfCurrency] = Field(description="Empty where nothing was sold or earned.")


@router.get(
    "/api/distributors/{distributor_id}/performance",
    summary="Sales and commissions of a month",
    response_model=Performance,
    responses={**NOT_MODIFIED, **documented("not_found")},
)
async def performance(
    distributor_id: Annotated[int, Path(ge=1, le=2**63 - 1, examples=[40021]), AS_IN_JSON],
    request: Request,
    ports: Here,
    principal: Annotated[Principal, needs("distributors:read", "commissions:read")],
    month: Month = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A distributor's own orders, net sales and commissions. May lag by seconds."""
    await require_reach(ports.store, principal, distributor_id)
    day = _first_of(month) if month is not None else ports.time.now().date()
    figures = await ports.figures.month(distributor_id, day)
    currencies = [
        OfCurrency(
            currency=currency,
            orders=sums["orders"],
            net_sales=str(to_amount(sums["net_sales_minor"], currency)),
            commissions=str(to_amount(sums["commissions_minor"], currency)),
        )
        for currency, sums in sorted(figures.items())
    ]
    return read_response(
        request, Performance(distributor_id=distributor_id, month=f"{day:%Y-%m}", currencies=currencies)
    )


def _first_of(month: str) -> date:
    return datetime.strptime(month, "%Y-%m").date()  # noqa: DTZ007  (a month, not a moment)
