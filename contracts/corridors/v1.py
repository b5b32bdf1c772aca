"""Messages about corridors, version 1. None is open until two persons opened it; one person closes it at once."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contracts.approvals import IndependentOf
from contracts.fields import AnyCurrency, Code, Currency, Detail, OsUser, Reference
from contracts.payees.fields import CountryCode, RailName
from contracts.rules.plans import AmountsIn
from contracts.rules.v1 import AnyPerson, Digest, Person
from contracts.wire.envelope import Command, Event, Refusal

CURRENCIES_MAX = 200

FromCountry = Annotated[CountryCode, Field(description="Where the account is that pays.", examples=["DE"])]
ToCountry = Annotated[CountryCode, Field(description="The country of the payee's account.", examples=["US"])]
Currencies = Annotated[
    tuple[Currency, ...],
    Field(min_length=1, max_length=CURRENCIES_MAX, description="What is sent.", examples=[["USD"]]),
]
PerPayment = Annotated[
    AmountsIn, Field(description="The most that one payment sends; a currency that is not listed has no limit.")
]
PerYear = Annotated[
    AmountsIn,
    Field(description="The most that a distributor gets in a calendar year; a currency that is not listed has none."),
]


class OfCorridor:
    corridor_id: str

    def about(self) -> str:
        return f"corridor/{self.corridor_id}"


class DefineCorridor(OfCorridor, Command, type="corridor.define.v1"):
    """Propose a corridor. It never changes: another one with the same rail and countries replaces it."""

    corridor_id: Reference
    rail: RailName
    from_country: FromCountry
    to_country: ToCountry
    currencies: Currencies
    limit_per_payment: PerPayment = ()
    limit_per_year: PerYear = ()
    proposed_by: Person
    os_user: OsUser = None


class ApproveCorridor(OfCorridor, Command, type="corridor.approve.v1"):
    """A second person, not the proposer, opens exactly the corridor that the digest names."""

    corridor_id: Reference
    digest: Digest
    approved_by: Person
    os_user: OsUser = None
    independent_of: IndependentOf = None


class CloseCorridor(OfCorridor, Command, type="corridor.close.v1"):
    """Close a corridor, open or only proposed. What is under way at a rail goes on."""

    corridor_id: Reference
    reason: Annotated[Code, Field(examples=["policy_changed"])]
    closed_by: Person
    os_user: OsUser = None


class CorridorProposed(OfCorridor, Event, type="corridor.proposed.v1"):
    corridor_id: Reference
    rail: RailName
    from_country: FromCountry
    to_country: ToCountry
    currencies: Annotated[tuple[AnyCurrency, ...], Field(examples=[["USD"]])]
    digest: Digest
    proposed_by: AnyPerson
    os_user: OsUser = None


class CorridorOpened(OfCorridor, Event, type="corridor.opened.v1"):
    """`replaced` is the corridor of the same rail and countries before it."""

    corridor_id: Reference
    rail: RailName
    from_country: FromCountry
    to_country: ToCountry
    digest: Digest
    approved_by: AnyPerson
    replaced: Reference | None = None
    os_user: OsUser = None


class CorridorClosed(OfCorridor, Event, type="corridor.closed.v1"):
    corridor_id: Reference
    reason: Annotated[Code, Field(examples=["policy_changed"])]
    closed_by: AnyPerson
    os_user: OsUser = None


class CorridorRefused(OfCorridor, Refusal, type="corridor.refused.v1"):
    corridor_id: Reference
    reason: Code
    detail: Detail
