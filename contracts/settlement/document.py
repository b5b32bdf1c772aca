"""The terms of settlement as a person writes them, in JSON or YAML."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from contracts.calendar import PeriodKind
from contracts.fields import Code, MarketName, Zone
from contracts.rules.plans import AmountsIn, Part
from contracts.rules.view import DEFAULT_MARKET
from contracts.settlement.tax import TAX_RULES


def _tax_rule(name: str) -> str:
    if name not in TAX_RULES:
        raise ValueError(f"there is no tax rule {name!r}; there are {', '.join(sorted(TAX_RULES))}")
    return name


_ANCHOR_MAX = {"day": 1, "week": 7, "two_weeks": 7, "month": 28}


class TermsDocument(Part):
    """How the commissions of a market become statements, and who bears what."""

    market: MarketName = DEFAULT_MARKET
    zone: Zone = "UTC"
    period: Annotated[PeriodKind, Field(description="How long a statement covers.", examples=["month"])] = "month"
    anchor: Annotated[
        int,
        Field(
            strict=True,
            ge=1,
            le=28,
            description="The weekday on which weeks begin (1 is Monday), or the day on which months begin (1 to 28).",
        ),
    ] = 1
    grace_hours: Annotated[
        int, Field(strict=True, ge=0, le=720, description="Hours from the end of a period to its close.")
    ] = 6
    minimum: Annotated[AmountsIn, Field(description="Less is carried to the next statement.")] = ()
    tax_rule: Annotated[
        Annotated[Code, AfterValidator(_tax_rule)] | None,
        Field(description="The table by which tax is withheld; none if absent.", examples=["cn_labour"]),
    ] = None
    fee_bearer: Annotated[
        Literal["platform", "payee"], Field(description="Who bears `fees`.", examples=["platform"])
    ] = "platform"
    fees: Annotated[AmountsIn, Field(description="The fee of each payable statement.")] = ()
    approvals: Annotated[
        int,
        Field(
            strict=True,
            ge=1,
            le=2,
            description="Persons beside the proposer who approve an adjustment or a write-off.",
        ),
    ] = 1
    write_off_after_days: Annotated[
        Annotated[int, Field(strict=True, ge=0, le=3650)] | None,
        Field(description="Days after which a debt may be written off; never, if absent.", examples=[365]),
    ] = None

    @model_validator(mode="after")
    def _has_a_possible_anchor(self) -> Self:
        most = _ANCHOR_MAX[self.period]
        if self.anchor > most:
            raise ValueError(f"anchor: a period of kind {self.period} takes 1 to {most}")
        return self
