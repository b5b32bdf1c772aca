"""Settlement messages, version 1. Amounts are decimal strings; sums may be larger than an amount."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt

from contracts.fields import (
    AnyCurrency,
    Code,
    Currency,
    Detail,
    DistributorId,
    MarketName,
    OsUser,
    Reference,
    SignedAmount,
    Sum,
    visible_name,
)
from contracts.rules.v1 import AnyPerson, Digest, NewVersion, Person
from contracts.settlement.document import TermsDocument
from contracts.settlement.view import Outcome
from contracts.subjects import OfDistributor
from contracts.wire.envelope import Command, Event, Refusal, Timestamp

PeriodName = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9W][0-9A-Za-z.-]{1,24}$",
        description="A month, a week or a day. Off-cycle closes divide it into parts: 2026-10, 2026-10.2.",
        examples=["2026-10"],
    ),
]
StatementId = Annotated[
    str,
    Field(
        max_length=160,
        description="Market, period, distributor and currency: there is one statement of them.",
        examples=["default/2026-10/40021/CNY"],
    ),
]
TermsVersionNumber = Annotated[StrictInt, Field(description="The terms; 0 if none were approved.", examples=[1])]

EXAMPLE_TERMS = {
    "market": "default",
    "zone": "Asia/Shanghai",
    "period": "month",
    "minimum": [{"currency": "CNY", "amount": "100.00"}],
    "tax_rule": "cn_labour",
}


class OfTerms:
    terms_version: StrictInt

    def about(self) -> str:
        return f"settlement-terms/{self.terms_version}"


class OfAdjustment:
    adjustment_id: str

    def about(self) -> str:
        return f"adjustment/{self.adjustment_id}"


class OfSettlement:
    """Of a market's settlement as a whole."""

    market: str

    def about(self) -> str:
        return f"settlement/{self.market}"


class ProposeTerms(OfTerms, Command, type="settlement.propose-terms.v1"):
    """Propose terms, or replace those that are not approved yet. They are to hold from the end of the period that
    contains `effective_from`; if that is absent, from the end of the period in which they are approved.
    """

    terms_version: NewVersion
    proposed_by: Person
    terms: Annotated[TermsDocument, Field(examples=[EXAMPLE_TERMS])]
    effective_from: Timestamp | None = None
    os_user: OsUser = None


class ApproveTerms(OfTerms, Command, type="settlement.approve-terms.v1"):
    """A second person, not the proposer, approves the terms that the digest names."""

    terms_version: NewVersion
    approved_by: Person
    digest: Digest
    os_user: OsUser = None


class ClosePeriod(OfSettlement, Command, type="settlement.close.v1"):
    """Close a period that is over, before its grace ends. With `distributor_id`, close it for this distributor alone,
    even if it is not over; `final` then ignores the minimum, as for a distributor who leaves.
    """

    market: MarketName
    period: PeriodName
    distributor_id: DistributorId | None = None
    final: Annotated[bool, Field(strict=True)] = False
    by: Person
    os_user: OsUser = None


class ProposeAdjustment(OfAdjustment, Command, type="settlement.adjust.v1"):
    """Propose a correction of what a distributor can have, or a write-off of a debt, which has a positive amount."""

    adjustment_id: Reference
    kind: Annotated[Literal["adjustment", "write_off"], Field(examples=["adjustment"])] = "adjustment"
    market: MarketName = "default"
    distributor_id: DistributorId
    currency: Currency
    amount: Annotated[SignedAmount, Field(description="Positive if the distributor gets more.", examples=["12.50"])]
    reason: Annotated[Code, Field(description="A code of your own.", examples=["goodwill"])]
    note: Annotated[
        str,
        Field(min_length=1, max_length=500, description="Why, for people.", examples=["Order 1001 was late."]),
        AfterValidator(visible_name),
    ]
    proposed_by: Person
    os_user: OsUser = None


class ApproveAdjustment(OfAdjustment, Command, type="settlement.approve-adjustment.v1"):
    """Another person approves the adjustment that the digest names. With enough approvals it is booked."""

    adjustment_id: Reference
    digest: Digest
    approved_by: Person
    approver_distributor_id: Annotated[
        DistributorId | None, Field(description="The approver, if that person is a distributor.")
    ] = None
    os_user: OsUser = None


class TermsProposed(OfTerms, Event, type="settlement.terms-proposed.v1"):
    terms_version: TermsVersionNumber
    market: MarketName
    digest: Digest
    proposed_by: AnyPerson
    os_user: OsUser = None


class TermsApproved(OfTerms, Event, type="settlement.terms-approved.v1"):
    """The terms hold from `since` on, which is where a period ends."""

    terms_version: TermsVersionNumber
    market: MarketName
    digest: Digest
    approved_by: AnyPerson
    since: Timestamp
    os_user: OsUser = None


class TermsRefused(OfTerms, Refusal, type="settlement.terms-refused.v1"):
    terms_version: TermsVersionNumber
    reason: Code
    detail: Detail


class PeriodOpened(OfSettlement, Event, type="settlement.period-opened.v1"):
    """The first posting of a period. Its instants never change."""

    market: MarketName
    period: PeriodName
    zone: Annotated[str, Field(examples=["Asia/Shanghai"])]
    starts_at: Timestamp
    ends_at: Annotated[Timestamp, Field(description="The first instant that is no longer in the period.")]
    closes_at: Timestamp
    terms_version: TermsVersionNumber


class CloseDue(OfSettlement, Event, type="settlement.close-due.v1"):
    """Accounts are due to be closed. `settlement` itself closes some, and publishes this again while more are due.

    `market` is `*` for all markets, as the clock asks for.
    """

    market: Annotated[str, Field(examples=["default"])]
    due_at: Annotated[Timestamp, Field(description="Accounts whose close is due at this time.")]
    by: Annotated[AnyPerson | None, Field(description="Absent for the clock.")] = None
    os_user: OsUser = None


class CloseRefused(OfSettlement, Refusal, type="settlement.close-refused.v1"):
    market: MarketName
    reason: Code
    detail: Detail


class Withheld(BaseModel):
    """Tax that was withheld. `base` is the gross of the statement; `month_…` are earlier statements of the month."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rule: Annotated[Code, Field(examples=["cn_labour"])]
    version: Annotated[str, Field(examples=["2019"])]
    month: Annotated[str, Field(examples=["2026-11"])]
    base: Sum
    month_gross: Sum
    month_withheld: Sum
    amount: Sum


class StatementClosed(OfDistributor, Event, type="statement.closed.v1"):
    """A statement, which never changes.

    Opening + released + reversed + rewards + adjustments + written off + returned = gross = payable + withheld + fees +
    carried.
    """

    statement_id: StatementId
    number: Annotated[StrictInt, Field(description="Counts the statements of the market, without gaps.", examples=[1])]
    market: MarketName
    distributor_id: DistributorId
    currency: AnyCurrency
    period: PeriodName
    starts_at: Timestamp
    ends_at: Timestamp
    zone: Annotated[str, Field(examples=["Asia/Shanghai"])]
    terms_version: TermsVersionNumber
    opening: Sum
    released: Sum
    reversed: Sum
    rewards: Sum
    adjustments: Sum
    written_off: Sum
    returned: Annotated[Sum, Field(description="Payouts that came back, with what was withheld of them.")] = Decimal(0)
    late: Annotated[Sum, Field(description="The part of these that belongs to earlier periods.")]
    gross: Sum
    withheld: Sum
    withholding: Annotated[Withheld | None, Field(description="How tax was calculated; absent if none was.")] = None
    fees: Sum
    payable: Sum
    carried: Sum
    minimum: Sum
    outcome: Annotated[Outcome, Field(description="What becomes of the gross.", examples=["payable"])]
    posting_count: Annotated[StrictInt, Field(examples=[3])]
    approvals: Annotated[StrictInt, Field(description="How many persons approve its payout.", examples=[1])] = 1
    final: StrictBool = False
    by: Annotated[AnyPerson | None, Field(description="Who closed it; absent for the clock.")] = None
    os_user: OsUser = None


class AdjustmentProposed(OfAdjustment, Event, type="settlement.adjustment-proposed.v1"):
    adjustment_id: Reference
    kind: Annotated[Code, Field(examples=["adjustment"])]
    market: MarketName
    distributor_id: DistributorId
    currency: AnyCurrency
    amount: SignedAmount
    digest: Digest
    proposed_by: AnyPerson
    os_user: OsUser = None


class AdjustmentApproved(OfAdjustment, Event, type="settlement.adjustment-approved.v1"):
    """A person approved it; `missing` more approvals are asked before it is booked."""

    adjustment_id: Reference
    approved_by: AnyPerson
    missing: Annotated[StrictInt, Field(examples=[1])]
    os_user: OsUser = None


class Adjusted(OfAdjustment, Event, type="settlement.adjusted.v1"):
    """An adjustment or write-off is booked."""

    adjustment_id: Reference
    kind: Annotated[Code, Field(examples=["adjustment"])]
    market: MarketName
    distributor_id: DistributorId
    currency: AnyCurrency
    amount: SignedAmount
    statement_id: Annotated[StatementId, Field(description="The statement on which it will be.")]
    approved_by: AnyPerson
    os_user: OsUser = None


class AdjustmentRefused(OfAdjustment, Refusal, type="settlement.adjustment-refused.v1"):
    adjustment_id: Reference
    reason: Code
    detail: Detail
