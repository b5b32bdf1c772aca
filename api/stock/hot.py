"""The products that sell best now, with their stock. Cached."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from api.access.guard import needs
from api.access.ports import Here
from api.http.conditions import NOT_MODIFIED, IfNoneMatch, read_response
from api.http.ids import ShownId
from api.http.parameters import AS_IN_JSON
from api.http.problems import Problem, documented
from api.identity.principal import Principal
from api.storage.figures import HOT_MAX

router = APIRouter(tags=["figures"])


class HotProduct(BaseModel):
    model_config = ConfigDict(frozen=True)

    product_id: ShownId = Field(examples=[1082185])
    name: str | None = Field(description="Null while it is not in the catalogue.", examples=["Green tea 250 g"])
    orders: int = Field(description="How many of the newest orders have it.", examples=[312])
    units: int = Field(description="Units in those orders.", examples=[540])
    on_hand: int = Field(description="Units on hand, including reserved ones.", examples=[120])
    available: int = Field(
        description="Units that may be sold today: not reserved, and in lots whose last day of sale is not over.",
        examples=[100],
    )


class HotProducts(BaseModel):
    items: list[HotProduct] = Field(description="Hottest first.")


@router.get(
    "/api/inventory/hot",
    summary="Show the best-selling products with their stock",
    response_model=HotProducts,
    responses={**NOT_MODIFIED, **documented("not_found")},
)
async def hot_products(
    request: Request,
    ports: Here,
    principal: Annotated[Principal, needs("inventory:read")],
    limit: Annotated[int, Query(ge=1, le=HOT_MAX, description="How many.", examples=[20]), AS_IN_JSON] = 20,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The products with the most orders among the newest ones, of all shops: so not for a shop. May lag by seconds."""
    if principal.kind == "shop":
        raise Problem("not_found")
    hot = (await ports.figures.hot())[:limit]
    stock = await ports.figures.stock([one["product_id"] for one in hot])
    nothing = {"on_hand": 0, "available": 0}
    items = [HotProduct(**one, **stock.get(one["product_id"], nothing)) for one in hot]
    return read_response(request, HotProducts(items=items))
