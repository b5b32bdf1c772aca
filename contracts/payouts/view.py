"""The published view of payouts, owned by `payouts`. Amounts in minor units.

A payout sends the payable amount of one statement, and has its id. A reader of `method` finds sealed values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from contracts.payees.fields import PayoutMethod

PAYOUTS = "payouts.payouts"
BATCHES = "payouts.batches"
PAYEES = "payouts.payees"
REPORTS = "payouts.reports"
RAILS_STATE = "payouts.rails"
RATES = "payouts.rates"

PayoutState = Literal[
    "waiting",
    "proposed",
    "approved",
    "sending",
    "sent",
    "awaiting_payee",
    "doubtful",
    "paid",
    "failed",
    "returned",
]
BatchState = Literal["proposed", "approved", "rejected"]
Task = Literal["start", "send", "check", "ask_person"]
"""What `payouts` does next: begin, send the same attempt again, ask the rail, or say that a person is needed."""

UNDER_WAY: frozenset[PayoutState] = frozenset({"sending", "sent", "awaiting_payee", "doubtful"})
"""The money may be at the rail: it is `in_payout` in the ledger of settlement."""

RANKS: Mapping[str, int] = MappingProxyType({"accepted": 1, "awaiting_payee": 2, "paid": 3, "failed": 3, "returned": 4})
"""The outcomes of reports. One of a lower rank than a report before it changes nothing; any other word says nothing
about where the money is."""

ENDED: frozenset[PayoutState] = frozenset({"paid", "failed", "returned"})


@dataclass(frozen=True, slots=True)
class KnownRates:
    """The newest approved table of a source: what one unit of `base` is worth, as text."""

    source: str
    table_id: str
    base: str
    as_of: datetime
    rates: Mapping[str, str]
    spread_ppm: int


@dataclass(frozen=True, slots=True)
class Conversion:
    """How a plan converts what is payable, less `fee_minor`, into the currency that is sent: once, by this table."""

    table_id: str
    source: str
    as_of: datetime
    rate: str
    spread_ppm: int
    fee_minor: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a payout sends, as a batch proposed it. `left_minor` of the payable amount is not sent, as the rail takes
    whole units. `currency` and `amount_minor` are what the rail sends.
    """

    rail: str
    currency: str
    amount_minor: int
    left_minor: int
    method_id: str
    method_version: int
    hint: str
    conversion: Conversion | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to send. Its key identifies it at the rail for ever; it is sent again by the same key only.

    `calls` counts the calls that were asked for, and `checks` the questions what became of it. `is_answered` is whether
    the last call was answered, and `may_be_taken` whether one had an unknown outcome. `rank` is that of
    the highest report, 0 before the first. `ended` is the code by which it failed, if another attempt follows.
    """

    number: int
    key: str
    began_at: datetime
    method: PayoutMethod
    calls: int = 1
    checks: int = 0
    is_answered: bool = False
    may_be_taken: bool = False
    rank: int = 0
    reference: str | None = None
    ended: str | None = None


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a person states became of an attempt; another person confirms it."""

    attempt: int
    outcome: Literal["paid", "failed"]
    evidence: str
    by: str
    at: datetime
    os_user: str | None = None


@dataclass(frozen=True, slots=True)
class Payout:
    """The payable amount of a statement on its way. `state` says where it is, `reason` why not further.

    `due_at` is when `payouts` does something for it, and `task` what. `queued_at` orders what waits for a batch.
    `conflict` is the reason of a report that cannot be true beside what is known. `needs_person` is set once the rail
    took too long to say what became of it.
    """

    payout_id: str
    market: str
    period: str
    distributor_id: int
    statement_currency: str
    payable_minor: int
    approvals: int
    payable_at: datetime
    queued_at: datetime
    state: PayoutState = "waiting"
    reason: str | None = None
    detail: str | None = None
    batch_id: str | None = None
    plan: Plan | None = None
    attempts: tuple[Attempt, ...] = ()
    task: Task | None = None
    due_at: datetime | None = None
    started_at: datetime | None = None
    doubtful_since: datetime | None = None
    needs_person: bool = False
    conflict: str | None = None
    resolution: Resolution | None = None
    fee_minor: int | None = None
    paid_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def live(self) -> Attempt:
        """The newest attempt. It raises IndexError before the first one."""
        return self.attempts[-1]


@dataclass(frozen=True, slots=True)
class Line:
    """What a batch sends of one payout."""

    payout_id: str
    distributor_id: int
    statement_currency: str
    payable_minor: int
    plan: Plan


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A payable statement that a batch does not send, and why."""

    payout_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Approval:
    by: str
    at: datetime
    os_user: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What a person proposed to send, as others read and approve it; its lines never change. `approvals` is how many
    other persons must approve. Where a payout stands is its own business.
    """

    batch_id: str
    market: str
    digest: str
    lines: tuple[Line, ...]
    left_out: tuple[LeftOut, ...]
    left_out_count: int
    approvals: int
    proposed_by: str
    proposed_at: datetime
    period: str | None = None
    rail: str | None = None
    statement_ids: tuple[str, ...] = ()
    state: BatchState = "proposed"
    approved: tuple[Approval, ...] = ()
    rejected_by: str | None = None
    rejected_at: datetime | None = None
    reason: str | None = None
    os_user: str | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing is sent to the distributor. `by` is None if a conflict is the reason. `attempts` is how many there were
    before, and `attempts_after` how many when it was released: the same number.
    """

    reason: str
    since: datetime
    attempts: int
    by: str | None = None
    released_by: str | None = None
    released_at: datetime | None = None
    attempts_after: int | None = None


@dataclass(frozen=True, slots=True)
class Payee:
    """How a distributor is paid, as of the newest `payee.changed`, and whether payouts are on hold.

    `past_holds` are the last ones. `method_version` is the version that brought the method. `attempts` counts those of
    all payouts: each writes it, so that of an attempt and a hold at the same time one sees the other. `sent_in_year` is
    what was begun, for the limits of corridors.
    """

    distributor_id: int
    version: int = 0
    usable: bool = False
    reason: str | None = None
    usable_from: datetime | None = None
    method: PayoutMethod | None = None
    method_version: int = 0
    identity: str = "none"
    hold: Hold | None = None
    past_holds: tuple[Hold, ...] = ()
    attempts: int = 0
    sent_in_year: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RailState:
    """Whether a rail is paused, and how many of its answers in a row were `unknown`."""

    rail: str
    unknown_in_row: int = 0
    paused_at: datetime | None = None
    paused_until: datetime | None = None
    reason: str | None = None


ReportSource = Literal["call", "callback", "file", "person"]
ReportEffect = Literal["applied", "no_change", "conflict", "unknown_key"]


@dataclass(frozen=True, slots=True)
class Report:
    """What was reported of an attempt, kept for ever; `_id` is `rail/report_id`. `effect` is what it changed."""

    report: str
    key: str
    rail: str
    outcome: str
    code: str
    source: ReportSource
    occurred_at: datetime
    received_at: datetime
    effect: ReportEffect
    payout_id: str | None = None
    attempt: int | None = None
    detail: str | None = None
    reference: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    fee_minor: int | None = None
    by: tuple[str, ...] = ()


def report_key(rail: str, report_id: str) -> str:
    """The key of a document of `REPORTS`: the rail's own id counts once."""
    return f"{rail}/{report_id}"


def batch_totals(lines: tuple[Line, ...]) -> dict[tuple[str, str], tuple[int, int]]:
    """What lines send by rail and currency: amount and number."""
    totals: dict[tuple[str, str], tuple[int, int]] = {}
    for line in lines:
        key = (line.plan.rail, line.plan.currency)
        amount, count = totals.get(key, (0, 0))
        totals[key] = (amount + line.plan.amount_minor, count + 1)
    return totals
