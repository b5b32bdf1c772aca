"""Messages about exchange rates, version 1. A rate is what one unit of the table's base is worth, exact, as text."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.approvals import IndependentOf
from contracts.fields import AnyCurrency, Code, Currency, Detail, OsUser, Rate, Reference
from contracts.rules.v1 import AnyPerson, Digest, Person
from contracts.wire.envelope import Command, Event, Refusal, Timestamp

RATES_MAX = 200
"""Rates of one table: more than there are currencies in use."""

ExchangeRate = Annotated[
    str,
    Field(
        pattern=r"^([1-9][0-9]{0,8}(\.[0-9]{1,12})?|0\.[0-9]{0,8}[1-9][0-9]{0,8})$",
        description="Units of the currency for one unit of the base, as a decimal string that keeps every digit.",
        examples=["1.0920"],
    ),
]
Source = Annotated[
    Code, Field(description="Who states the rates: the house, a bank, an authority.", examples=["treasury"])
]
Base = Annotated[Currency, Field(description="One unit of it is worth the rates.", examples=["EUR"])]
AsOf = Annotated[Timestamp, Field(description="The time that the rates are of.")]
Spread = Annotated[Rate, Field(description="What the house keeps of each amount that it converts.", examples=["0.005"])]
ConfirmJump = Annotated[
    bool,
    Field(strict=True, description="Whether a rate may differ by more than a tenth from the one before."),
]


class OfTable:
    table_id: str

    def about(self) -> str:
        return f"exchange-rates/{self.table_id}"


class CurrencyRate(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: Currency
    rate: ExchangeRate


class StatedRate(BaseModel):
    """A rate of an event; its currency may be withdrawn since."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    currency: AnyCurrency
    rate: ExchangeRate


class Jump(BaseModel):
    """A rate that differs by more than a tenth from the last known one of the source."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    currency: AnyCurrency
    before: ExchangeRate
    rate: ExchangeRate


Rates = Annotated[tuple[CurrencyRate, ...], Field(min_length=1, max_length=RATES_MAX)]


def check_currencies(base: str, rates: Sequence[CurrencyRate]) -> None:
    """Raises ValueError if a currency stands twice, or the base is among them."""
    currencies = [base, *(stated.currency for stated in rates)]
    if twice := next((currency for currency in currencies if currencies.count(currency) > 1), None):
        raise ValueError(f"rates: {twice} has one rate too many; state each once, and the base not at all")


class PublishRates(OfTable, Command, type="exchange-rates.publish.v1"):
    """Propose a table of rates. It never changes: correct it by another one. Another person approves it."""

    table_id: Reference
    source: Source
    base: Base
    as_of: AsOf
    rates: Rates
    spread: Spread = Decimal(0)
    confirm_jump: ConfirmJump = False
    proposed_by: Person
    os_user: OsUser = None

    @model_validator(mode="after")
    def _has_each_currency_once(self) -> Self:
        check_currencies(self.base, self.rates)
        return self


class ApproveRates(OfTable, Command, type="exchange-rates.approve.v1"):
    """A second person, not the proposer, approves exactly the table that the digest names."""

    table_id: Reference
    digest: Digest
    approved_by: Person
    os_user: OsUser = None
    independent_of: IndependentOf = None


class RejectRates(OfTable, Command, type="exchange-rates.reject.v1"):
    """Reject a table that is not approved yet."""

    table_id: Reference
    reason: Annotated[Code, Field(examples=["wrong_column"])]
    rejected_by: Person
    os_user: OsUser = None


class RatesProposed(OfTable, Event, type="exchange-rates.proposed.v1"):
    """A table awaits its approval. `jumps` are the rates that its proposer confirmed, for the approver to read."""

    table_id: Reference
    source: Source
    base: AnyCurrency
    as_of: AsOf
    digest: Digest
    jumps: tuple[Jump, ...] = ()
    proposed_by: AnyPerson
    os_user: OsUser = None


class RatesApproved(OfTable, Event, type="exchange-rates.approved.v1"):
    """The newest table of its source from now on, with all that takes to convert by it."""

    table_id: Reference
    source: Source
    base: AnyCurrency
    as_of: AsOf
    rates: tuple[StatedRate, ...]
    spread: Spread
    digest: Digest
    approved_by: AnyPerson
    os_user: OsUser = None


class RatesRejected(OfTable, Event, type="exchange-rates.rejected.v1"):
    table_id: Reference
    source: Source
    reason: Annotated[Code, Field(examples=["wrong_column"])]
    rejected_by: AnyPerson
    os_user: OsUser = None


class RatesRefused(OfTable, Refusal, type="exchange-rates.refused.v1"):
    table_id: Reference
    reason: Code
    detail: Detail
