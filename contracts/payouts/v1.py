"""Messages of payouts, version 1. Amounts are decimal strings in the currency that is sent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from contracts.approvals import IndependentOf
from contracts.fields import (
    Amount,
    AnyCurrency,
    Code,
    Detail,
    DistributorId,
    MarketName,
    OsUser,
    Reference,
    Sum,
)
from contracts.payees.fields import PayoutMethod, RailName
from contracts.payouts.fields import (
    BATCH_MAX,
    AttemptNumber,
    BatchTotal,
    LeftOut,
    OfBatch,
    OfPayout,
    PayoutId,
    ProviderReference,
    RailKey,
    ReportId,
)
from contracts.rules.v1 import AnyPerson, Digest, Person
from contracts.settlement.v1 import PeriodName, StatementId
from contracts.subjects import OfDistributor
from contracts.wire.envelope import Command, Event, Refusal, Timestamp

ReportOutcome = Literal["accepted", "awaiting_payee", "paid", "failed", "returned", "unknown", "absent"]


class PayoutAttemptDue(OfPayout, Event, type="payout.attempt-due.v1"):
    """Send this now, by this key. `payout_delivery` does, once."""

    payout_id: PayoutId
    attempt: AttemptNumber
    key: RailKey
    distributor_id: DistributorId
    amount: Amount
    currency: AnyCurrency
    method: PayoutMethod
    remittance: Annotated[
        str, Field(max_length=140, description="The text that the payee sees.", examples=["Commission 2026-10"])
    ]


class PayoutCheckDue(OfPayout, Event, type="payout.check-due.v1"):
    """Ask the rail what became of this attempt. The fields are those of the attempt."""

    payout_id: PayoutId
    attempt: AttemptNumber
    key: RailKey
    distributor_id: DistributorId
    amount: Amount
    currency: AnyCurrency
    method: PayoutMethod
    check: Annotated[StrictInt, Field(ge=1, description="The number of the check, from 1.", examples=[1])]
    attempted_at: Timestamp
    reference: ProviderReference | None = None


class PayoutReported(OfPayout, Event, type="payout.reported.v1"):
    """What the rail answered to a call of ours: one that sends, or a check. `not_sent` is certain, of this call."""

    payout_id: PayoutId
    attempt: AttemptNumber
    check: Annotated[StrictInt | None, Field(description="The number of the check; absent if the call sends.")] = None
    key: RailKey
    rail: RailName
    report_id: ReportId
    outcome: Annotated[
        str, Field(pattern=r"^[a-z_]{1,32}$", description="What became of the attempt.", examples=["paid"])
    ]
    code: Code
    detail: Detail
    reported_at: Timestamp
    reference: ProviderReference | None = None
    amount: Annotated[Amount | None, Field(description="What the rail says it sent.", examples=["59.70"])] = None
    currency: AnyCurrency | None = None
    fee: Annotated[Amount | None, Field(description="What the rail took for it.", examples=["0.35"])] = None


class ReportPayout(Command, type="payout.report.v1"):
    """What a rail says about an attempt: by a callback, or in a file of the bank. The key names the attempt: a rail
    knows no other name of it.
    """

    key: RailKey
    rail: RailName
    report_id: ReportId
    outcome: Annotated[ReportOutcome, Field(description="What became of the attempt.", examples=["paid"])]
    code: Code
    source: Annotated[Literal["callback", "file"], Field(description="How the report came.", examples=["file"])]
    occurred_at: Timestamp
    reference: ProviderReference | None = None
    amount: Annotated[Amount | None, Field(description="What the rail says it sent.", examples=["59.70"])] = None
    currency: AnyCurrency | None = None
    fee: Annotated[Amount | None, Field(description="What the rail took for it.", examples=["0.35"])] = None
    by: Annotated[Person | None, Field(description="Who gave the file; absent for a callback.")] = None

    def about(self) -> str:
        return f"payout-key/{self.key}"


class ProposeBatch(OfBatch, Command, type="payout-batch.propose.v1"):
    """Propose to send what is payable: of a period, of named statements, or all of the market, oldest first."""

    batch_id: Reference
    market: MarketName
    period: PeriodName | None = None
    rail: RailName | None = None
    statement_ids: Annotated[tuple[StatementId, ...], Field(max_length=BATCH_MAX)] = ()
    proposed_by: Person
    os_user: OsUser = None


class ApproveBatch(OfBatch, Command, type="payout-batch.approve.v1"):
    """Another person approves exactly the batch that the digest names. With enough approvals it is sent."""

    batch_id: Reference
    digest: Digest
    approved_by: Person
    approver_distributor_id: Annotated[
        DistributorId | None, Field(description="The approver, if that person is a distributor.")
    ] = None
    os_user: OsUser = None
    independent_of: IndependentOf = None


class RejectBatch(OfBatch, Command, type="payout-batch.reject.v1"):
    """Reject a batch that is not approved yet. Its payouts may be proposed again."""

    batch_id: Reference
    reason: Code
    rejected_by: Person
    os_user: OsUser = None


class HoldPayouts(OfDistributor, Command, type="payout.hold.v1"):
    """Send nothing more to a distributor. What is under way at a rail goes on."""

    distributor_id: DistributorId
    reason: Code
    by: Person
    os_user: OsUser = None


class ReleasePayouts(OfDistributor, Command, type="payout.release.v1"):
    """End the hold of a distributor."""

    distributor_id: DistributorId
    by: Person
    os_user: OsUser = None


class ResolvePayout(OfPayout, Command, type="payout.resolve.v1"):
    """A person states what became of an attempt if the rail does not answer, and where that is written. Another
    person confirms it.
    """

    payout_id: PayoutId
    attempt: AttemptNumber
    outcome: Annotated[Literal["paid", "failed"], Field(description="What became of it.", examples=["paid"])]
    evidence: Annotated[
        str,
        Field(min_length=1, max_length=500, description="Where it is written.", examples=["Bank statement, line 7714"]),
    ]
    by: Person
    os_user: OsUser = None


class ConfirmResolution(OfPayout, Command, type="payout.confirm-resolution.v1"):
    """Another person confirms what was stated of the attempt."""

    payout_id: PayoutId
    attempt: AttemptNumber
    outcome: Annotated[Literal["paid", "failed"], Field(description="What was stated.", examples=["paid"])]
    by: Person
    by_distributor_id: Annotated[DistributorId | None, Field(description="That person, if a distributor.")] = None
    os_user: OsUser = None
    independent_of: IndependentOf = None


class BatchProposed(OfBatch, Event, type="payout-batch.proposed.v1"):
    batch_id: Reference
    market: MarketName
    count: Annotated[StrictInt, Field(description="Payouts in the batch.", examples=[12])]
    totals: tuple[BatchTotal, ...]
    left_out: Annotated[tuple[LeftOut, ...], Field(description="The first of those that were left out.")]
    left_out_count: Annotated[StrictInt, Field(examples=[0])]
    approvals: Annotated[StrictInt, Field(description="How many other persons must approve it.", examples=[1])]
    digest: Digest
    proposed_by: AnyPerson
    os_user: OsUser = None


class BatchApproved(OfBatch, Event, type="payout-batch.approved.v1"):
    """A person approved it; `missing` more approvals are asked before it is sent."""

    batch_id: Reference
    approved_by: AnyPerson
    missing: Annotated[StrictInt, Field(examples=[0])]
    os_user: OsUser = None


class BatchRejected(OfBatch, Event, type="payout-batch.rejected.v1"):
    batch_id: Reference
    reason: Code
    rejected_by: AnyPerson
    os_user: OsUser = None


class BatchRefused(OfBatch, Refusal, type="payout-batch.refused.v1"):
    batch_id: Reference
    reason: Code
    detail: Detail


class PayoutsHeld(OfDistributor, Event, type="payout.held.v1"):
    distributor_id: DistributorId
    reason: Code
    by: Annotated[AnyPerson | None, Field(description="Absent if a conflict is the reason.")] = None
    os_user: OsUser = None


class PayoutsReleased(OfDistributor, Event, type="payout.released.v1"):
    distributor_id: DistributorId
    by: AnyPerson
    os_user: OsUser = None


class HoldRefused(OfDistributor, Refusal, type="payout.hold-refused.v1"):
    distributor_id: DistributorId
    reason: Code
    detail: Detail


class ResolutionProposed(OfPayout, Event, type="payout.resolution-proposed.v1"):
    payout_id: PayoutId
    attempt: AttemptNumber
    outcome: Annotated[Code, Field(examples=["paid"])]
    evidence: Annotated[str, Field(examples=["Bank statement, line 7714"])]
    by: AnyPerson
    os_user: OsUser = None


class PayoutRefused(OfPayout, Refusal, type="payout.refused.v1"):
    payout_id: PayoutId
    reason: Code
    detail: Detail


class ReportRefused(Refusal, type="payout.report-refused.v1"):
    key: RailKey
    reason: Code
    detail: Detail

    def about(self) -> str:
        return f"payout-key/{self.key}"


class PayoutsDue(Event, type="payout.due.v1"):
    """Payouts are due to be sent or checked. `payouts` itself takes some, and publishes this while more are due."""

    due_at: Timestamp

    def about(self) -> str:
        return "payouts"


class Conversion(BaseModel):
    """What was converted, once, when the payout was planned. `fee` is the spread, in the statement's currency."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rate: Annotated[
        str, Field(pattern=r"^[0-9]{1,18}(\.[0-9]{1,18})?(/[0-9]{1,18}(\.[0-9]{1,18})?)?$", examples=["1.0920/7.8000"])
    ]
    source: Annotated[Code, Field(description="The table of the rate.", examples=["treasury"])]
    as_of: Timestamp
    fee: Amount


class PayoutStarted(OfPayout, Event, type="payout.started.v1"):
    """A payout is on its way: its first attempt is due. `left` is what the rail cannot send of the payable amount: it
    takes whole units, and the rest is available again. `amount` is what is sent, maybe in another currency.
    """

    payout_id: PayoutId
    distributor_id: DistributorId
    payable: Sum
    statement_currency: AnyCurrency
    left: Sum
    amount: Amount
    currency: AnyCurrency
    conversion: Conversion | None = None
    rail: RailName
    started_at: Timestamp


class _Reported(OfPayout, Event):
    payout_id: PayoutId
    attempt: AttemptNumber
    distributor_id: DistributorId
    amount: Amount
    currency: AnyCurrency
    rail: RailName
    at: Timestamp
    reference: ProviderReference | None = None
    method_id: Annotated[Reference | None, Field(description="The method by which it was sent.")] = None


class PayoutSent(_Reported, type="payout.sent.v1"):
    """The rail has accepted it."""


class PayoutAwaitsPayee(_Reported, type="payout.awaiting-payee.v1"):
    """The payee has to confirm it."""


class PayoutPaid(_Reported, type="payout.paid.v1"):
    fee: Annotated[
        Amount | None, Field(description="What the rail took for it, in the currency sent.", examples=["0.35"])
    ] = None


class PayoutFailed(_Reported, type="payout.failed.v1"):
    """It failed for good. The money, and what was withheld of its statement, is available again."""

    code: Code
    detail: Detail


class PayoutReturned(_Reported, type="payout.returned.v1"):
    """It was paid and came back. The money, and what was withheld of its statement, is available again."""

    code: Code
    detail: Detail
    fee: Annotated[
        Amount | None, Field(description="What the rail took for the return, in the currency sent.", examples=["3.00"])
    ] = None


class PayoutDoubtful(_Reported, type="payout.doubtful.v1"):
    """What became of the attempt is not known. It is asked for again; `needs_person` once it took too long."""

    code: Code
    detail: Detail
    needs_person: Annotated[bool, Field(strict=True)] = False


class PayoutConflicting(_Reported, type="payout.conflicting.v1"):
    """A report that cannot be true beside what is known: money may be out twice, or another amount. Nothing is posted,
    and nothing more is sent to the distributor until a person has looked.
    """

    code: Code
    detail: Detail


class RailPaused(Event, type="rail.paused.v1"):
    """Nothing is sent by this rail for a while: its account has too little money, or it does not answer."""

    rail: RailName
    reason: Code
    paused_at: Timestamp
    until: Timestamp

    def about(self) -> str:
        return f"rail/{self.rail}"


class RailResumed(Event, type="rail.resumed.v1"):
    rail: RailName
    resumed_at: Timestamp

    def about(self) -> str:
        return f"rail/{self.rail}"
