"""The rehearsal of a move as it is shown."""

from __future__ import annotations

from datetime import date, timedelta

from pydantic import BaseModel, Field

from contracts.money import to_amount
from infra.rehearsal.move import MovePreview as Found

PEOPLE_MAX = 500
"""Those with the largest changes; nobody reads more, and there may be ten thousand."""


class PersonChange(BaseModel):
    distributor_id: int = Field(examples=[40021])
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
    distributor_id: int = Field(examples=[40021])
    chain: list[int] = Field(description="Who would stand above, nearest first.", examples=[[40007, 40001]])
    first_day: date
    last_day: date
    orders: int = Field(description="Paid orders that went through the distributor.", examples=[310])
    sellers: int = Field(description="How many sold them.", examples=[12])
    currencies: list[CurrencyChange]


def preview_of(found: Found) -> MovePreview:
    return MovePreview(
        distributor_id=found.distributor_id,
        chain=list(found.chain),
        first_day=found.begin.date(),
        last_day=(found.end - timedelta(days=1)).date(),
        orders=found.orders,
        sellers=len(found.sellers),
        currencies=[_currency(found, currency) for currency in sorted(found.by_currency)],
    )


def _currency(found: Found, currency: str) -> CurrencyChange:
    comparison = found.by_currency[currency]
    changed = [change for change in comparison.changes() if change.change_minor]
    changed.sort(key=lambda change: (-abs(change.change_minor), change.distributor_id))
    return CurrencyChange(
        currency=currency,
        paid=_amount(comparison.before_minor, currency),
        would_be=_amount(comparison.after_minor, currency),
        people=[
            PersonChange(
                distributor_id=change.distributor_id,
                paid=_amount(change.before_minor, currency),
                would_be=_amount(change.after_minor, currency),
                change=_amount(change.change_minor, currency),
            )
            for change in changed[:PEOPLE_MAX]
        ],
        people_changed=len(changed),
    )


def _amount(minor: int, currency: str) -> str:
    return str(to_amount(minor, currency))
