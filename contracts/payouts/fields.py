"""The ids and parts of messages of payouts, and what those messages are about."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from contracts.fields import AnyCurrency, Code, Sum
from contracts.payees.fields import RailName
from contracts.settlement.v1 import StatementId

BATCH_MAX = 500
"""Payouts of one batch: two persons read it, and it fits in one document and one transaction."""

PayoutId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=160,
        description="The payout has the id of its statement: market, period, distributor and currency.",
        examples=["default/2026-10/40021/CNY"],
    ),
]
AttemptNumber = Annotated[StrictInt, Field(ge=1, description="The number of the attempt, from 1.", examples=[1])]
RailKey = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f]{32}$",
        description="Identifies the attempt at the rail for ever: sent again, it is paid once.",
        examples=["0f8fad5bd9cb469fa16570867728950e"],
    ),
]
ReportId = Annotated[
    str,
    Field(
        pattern=r"^[!-~]{1,128}$",
        description="The rail's own id of the report (an event, an entry of a bank statement): it counts once.",
        examples=["entry-2026-11-30-7714"],
    ),
]
ProviderReference = Annotated[
    str, Field(pattern=r"^[!-~]{1,128}$", description="The rail's own id of the payment.", examples=["TX-7714"])
]


class OfBatch:
    batch_id: str

    def about(self) -> str:
        return f"payout-batch/{self.batch_id}"


class OfPayout:
    """A payout has the id of the statement whose payable amount it sends."""

    payout_id: str

    def about(self) -> str:
        return f"payout/{self.payout_id}"


class BatchTotal(BaseModel):
    """What a batch sends by one rail in one currency."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rail: RailName
    currency: AnyCurrency
    amount: Sum
    count: Annotated[StrictInt, Field(examples=[12])]


class LeftOut(BaseModel):
    """A payable statement that a batch does not send, and why."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    statement_id: StatementId
    reason: Code
