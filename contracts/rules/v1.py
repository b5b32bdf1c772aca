"""Rule messages, version 1. A rule set is proposed, approved by another person, and put in force from a date on.

A draft may change until it is active; from then on only its end may be set. Markets define legal limits.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt

from contracts.approvals import IndependentOf
from contracts.fields import Code, Detail, MarketName, OsUser, Rate, RuleVersion, visible_name
from contracts.rules.document import EXAMPLE, RuleDocument
from contracts.wire.envelope import Command, Event, Refusal, Timestamp

Limit = Literal["levels_paid_max", "pay_rate_max", "downline_pay", "team_pay"]

NewVersion = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=2**31,
        description="The rule set's number, chosen by its proposer.",
        examples=[1],
    ),
]


def _named(person: str) -> str:
    if person != person.strip():
        raise ValueError("write the name without space around it")
    return person


AnyPerson = Annotated[
    str,
    Field(min_length=1, max_length=64, description="The person who did it.", examples=["li.na"]),
    AfterValidator(_named),
]
"""A person of an event: the name may have been given before names had to be visible."""

Person = Annotated[AnyPerson, AfterValidator(visible_name)]
Digest = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f]{64}$",
        description="The digest of the terms that were read, from `rules.proposed`.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    ),
]
EffectiveFrom = Annotated[Timestamp | None, Field(description="If absent, when the message reaches us.")]


class OfRules:
    rule_version: StrictInt

    def about(self) -> str:
        return f"rules/{self.rule_version}"


class OfMarket:
    market: str

    def about(self) -> str:
        return f"market/{self.market}"


class ProposeRules(OfRules, Command, type="rules.propose.v1"):
    """Propose a draft, or replace one that is not active yet; an approval of other terms becomes void."""

    rule_version: NewVersion
    proposed_by: Person
    rules: Annotated[RuleDocument, Field(examples=[EXAMPLE])]
    os_user: OsUser = None


class ApproveRules(OfRules, Command, type="rules.approve.v1"):
    """A second person, not the proposer, approves the terms that the digest names."""

    rule_version: NewVersion
    approved_by: Person
    digest: Digest
    os_user: OsUser = None
    independent_of: IndependentOf = None


class ActivateRules(OfRules, Command, type="rules.activate.v1"):
    """Put approved rules in force, within 30 days of their proposal: for orders of the market's shops from then on."""

    rule_version: NewVersion
    activated_by: Person
    effective_from: EffectiveFrom = None
    os_user: OsUser = None


class RetireRules(OfRules, Command, type="rules.retire.v1"):
    """End active rules. It brings no earlier rules back; those that hold now go on where a planned set ends."""

    rule_version: NewVersion
    retired_by: Person
    effective_from: EffectiveFrom = None
    os_user: OsUser = None


class LevelsOverride(BaseModel):
    """Who decided that a market allows more than three paid levels, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: AnyPerson
    reason: Annotated[str, Field(min_length=1, max_length=1000, examples=["Licence 2026-17 of the authority."])]


class DefineMarket(OfMarket, Command, type="market.define.v1"):
    """Define the legal limits of a market; `clauses` cites the source of a limit. Not legal advice."""

    market: MarketName
    levels_paid_max: Annotated[
        int, Field(strict=True, ge=1, le=30, description="The highest level that may be paid; the seller is level 1.")
    ] = 2
    pay_rate_max: Annotated[
        Rate, Field(description="The most that a line may pay in all, as a share of its net.", examples=["0.50"])
    ] = Decimal("0.50")
    downline_pay: Annotated[
        bool, Field(strict=True, description="Whether distributors may be paid for sales of others.")
    ] = True
    team_pay: Annotated[bool, Field(strict=True, description="Whether leaders may be paid for their team's sales.")] = (
        True
    )
    clauses: Annotated[
        dict[Limit, Annotated[str, Field(min_length=1, max_length=500)]],
        Field(
            description="The law behind a limit, by the limit's name.",
            examples=[{"levels_paid_max": "Company policy 12, two levels"}],
        ),
    ] = Field(default_factory=dict)
    override: Annotated[LevelsOverride | None, Field(description="Needed for more than three paid levels.")] = None


class RulesProposed(OfRules, Event, type="rules.proposed.v1"):
    rule_version: RuleVersion
    digest: Digest
    proposed_by: AnyPerson
    os_user: OsUser = None


class RulesApproved(OfRules, Event, type="rules.approved.v1"):
    rule_version: RuleVersion
    digest: Digest
    approved_by: AnyPerson
    os_user: OsUser = None


class RulesActivated(OfRules, Event, type="rules.activated.v1"):
    rule_version: RuleVersion
    market: MarketName
    effective_from: Timestamp
    activated_by: AnyPerson
    os_user: OsUser = None


class RulesRetired(OfRules, Event, type="rules.retired.v1"):
    rule_version: RuleVersion
    market: MarketName
    effective_from: Timestamp
    retired_by: AnyPerson
    os_user: OsUser = None


class RulesRefused(OfRules, Refusal, type="rules.refused.v1"):
    rule_version: RuleVersion
    reason: Code
    detail: Detail
    clause: Annotated[
        str | None, Field(description="The law behind it, as the market cites it.", examples=["Company policy 12"])
    ] = None


class CitedClause(BaseModel):
    """The law behind a limit."""

    model_config = ConfigDict(frozen=True)

    limit: Annotated[Code, Field(examples=["levels_paid_max"])]
    clause: Annotated[str, Field(examples=["Company policy 12, two levels"])]


class MarketDefined(OfMarket, Event, type="market.defined.v1"):
    market: MarketName
    levels_paid_max: Annotated[StrictInt, Field(examples=[2])]
    pay_rate_max: Annotated[Rate, Field(examples=["0.50"])]
    downline_pay: StrictBool
    team_pay: StrictBool
    clauses: tuple[CitedClause, ...]
    override_by: Annotated[str | None, Field(description="Who allowed more than three levels.", examples=["li.na"])] = (
        None
    )
    override_reason: Annotated[str | None, Field(examples=["Licence 2026-17 of the authority."])] = None


class MarketRefused(OfMarket, Refusal, type="market.refused.v1"):
    market: MarketName
    reason: Code
    detail: Detail
