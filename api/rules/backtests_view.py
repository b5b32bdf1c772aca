"""The figures of a rehearsal of rules, as shown."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from api.http.ids import ShownId
from api.rules.view import BreachView


class PlanChange(BaseModel):
    today: str = Field(description="What was paid, net of refunds.", examples=["18.00"])
    draft: str = Field(description="What the tested rules would have paid.", examples=["16.50"])


class MonthChange(PlanChange):
    sales: str = Field(examples=["360.00"])


class ThinLine(BaseModel):
    order: str = Field(description="Shop and order id.", examples=["shop-367/31198459904"])
    line: int = Field(examples=[1])
    product_id: ShownId = Field(examples=[1082185])
    net: str = Field(examples=["20.00"])
    commissions: str = Field(examples=["11.00"])


class ThinLines(BaseModel):
    """Lines whose share of net after commissions is below the margin floor."""

    today: int = Field(examples=[0])
    draft: int = Field(examples=[1])
    thinnest: list[ThinLine]


class DistributorChange(PlanChange):
    distributor_id: ShownId = Field(examples=[40021])
    change: str = Field(examples=["-1.50"])


class BacktestOfCurrency(PlanChange):
    orders: int = Field(description="Paid orders.", examples=[310])
    lines: int = Field(examples=[742])
    sales: str = Field(examples=["360.00"])
    change: str = Field(examples=["-1.50"])
    plans: dict[str, PlanChange] = Field(
        description="By the name of the plan.", examples=[{"direct": {"today": "18.00", "draft": "16.50"}}]
    )
    months: dict[str, MonthChange] = Field(
        description="By calendar month.",
        examples=[{"2026-10": {"sales": "360.00", "today": "18.00", "draft": "16.50"}}],
    )
    thin_lines: ThinLines
    gaining: int = Field(description="Distributors who would have earned more.", examples=[0])
    losing: int = Field(description="Distributors who would have earned less.", examples=[12])
    distributors: list[DistributorChange] = Field(description="Those with the largest gains and losses.")


class Backtest(BaseModel):
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    title: str = Field(examples=["Autumn 2026"])
    market: str = Field(examples=["default"])
    market_is_known: bool = Field(description="Whether the market is defined; if not, its limits were not checked.")
    first_day: str = Field(alias="from", examples=["2026-10-01"])
    last_day: str = Field(alias="to", examples=["2026-10-31"])
    orders: int = Field(description="Replayed paid orders.", examples=[310])
    not_booked: int = Field(description="Paid orders without commissions yet; they are left out.", examples=[0])
    other_markets: int = Field(description="Orders of other markets; they are left out.", examples=[0])
    margin_floor: str = Field(examples=["0.5"])
    breaches: list[BreachView] = Field(description="Limits of the market that forbid the activation of the rules.")
    currencies: dict[str, BacktestOfCurrency] = Field(description="By ISO 4217 code.")
