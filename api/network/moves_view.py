"""The rehearsal of a move, as shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Field

from api.http.ids import ShownId

PEOPLE_MAX = 500
"""Those with the largest changes; there may be ten thousand others."""


class PersonChange(BaseModel):
    distributor_id: ShownId = Field(examples=[40021])
    paid: str = Field(examples=["120.00"])
    would_be: str = Field(examples=["96.00"])
    change: str = Field(examples=["-24.00"])


class CurrencyChange(BaseModel):
    currency: str = Field(examples=["CNY"])
    paid: str = Field(description="What the orders paid, net of refunds.", examples=["2740.00"])
    would_be: str = Field(description="What they would have paid.", examples=["2716.00"])
    people: list[PersonChange] = Field(description=f"The largest changes first, {PEOPLE_MAX} at most.")
    people_changed: int = Field(description="How many would have earned more or less.", examples=[2])


class MovePreview(BaseModel):
    distributor_id: ShownId = Field(examples=[40021])
    chain: list[ShownId] = Field(description="The upline after the move, nearest first.", examples=[[40007, 40001]])
    first_day: date
    last_day: date
    orders: int = Field(description="Paid orders that went through the distributor.", examples=[310])
    sellers: int = Field(description="How many distributors sold them.", examples=[12])
    currencies: list[CurrencyChange]


def preview_of(answer: Mapping[str, Any]) -> MovePreview:
    """The view of a rehearsal's answer."""
    return MovePreview(
        distributor_id=answer["distributor_id"],
        chain=answer["chain"],
        first_day=answer["from"],
        last_day=answer["to"],
        orders=answer["orders"],
        sellers=answer["sellers"],
        currencies=[_currency(code, figures) for code, figures in answer["currencies"].items()],
    )


def _currency(code: str, figures: Mapping[str, Any]) -> CurrencyChange:
    changed = [PersonChange(**change) for change in figures["distributors"]]
    changed.sort(key=lambda person: (-abs(Decimal(person.change)), person.distributor_id))
    return CurrencyChange(
        currency=code,
        paid=figures["paid"],
        would_be=figures["would_be"],
        people=changed[:PEOPLE_MAX],
        people_changed=len(changed),
    )
