"""The rehearsal of a move as it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Field

from api.http.ids import ShownId

PEOPLE_MAX = 500
"""Those with the largest changes; nobody reads more, and there may be ten thousand."""


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
    people_changed: int = Field(description="How many would have had more or less.", examples=[2])


class MovePreview(BaseModel):
    distributor_id: ShownId = Field(examples=[40021])
    chain: list[ShownId] = Field(description="Who would stand above, nearest first.", examples=[[40007, 40001]])
    first_day: date
    last_day: date
    orders: int = Field(description="Paid orders that went through the distributor.", examples=[310])
    sellers: int = Field(description="How many sold them.", examples=[12])
    currencies: list[CurrencyChange]


def preview_of(found: Mapping[str, Any]) -> MovePreview:
    """Of the figures that a rehearsal of a move writes for programs."""
    return MovePreview(
        distributor_id=found["distributor_id"],
        chain=found["chain"],
        first_day=found["from"],
        last_day=found["to"],
        orders=found["orders"],
        sellers=found["sellers"],
        currencies=[_currency(code, told) for code, told in found["currencies"].items()],
    )


def _currency(code: str, told: Mapping[str, Any]) -> CurrencyChange:
    changed = [PersonChange(**change) for change in told["distributors"]]
    changed.sort(key=lambda person: (-abs(Decimal(person.change)), person.distributor_id))
    return CurrencyChange(
        currency=code,
        paid=told["paid"],
        would_be=told["would_be"],
        people=changed[:PEOPLE_MAX],
        people_changed=len(changed),
    )
