"""Loads the payouts that a batch names or that are due, with their payees and rails; saves what changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Self

from contracts.clock.v1 import ClockTicked
from contracts.corridors.v1 import ApproveCorridor, CloseCorridor, DefineCorridor
from contracts.corridors.view import CORRIDORS, DECIDED, Corridor
from contracts.exchange_rates.v1 import RatesApproved
from contracts.exchange_rates.view import RATE_AGE_MAX
from contracts.payees.v1 import PayeeChanged
from contracts.payouts.rails import RAILS
from contracts.payouts.v1 import (
    ApproveBatch,
    ConfirmResolution,
    HoldPayouts,
    PayoutReported,
    PayoutsDue,
    ProposeBatch,
    RejectBatch,
    ReleasePayouts,
    ReportPayout,
    ResolvePayout,
)
from contracts.payouts.view import (
    BATCHES,
    PAYEES,
    PAYOUTS,
    RAILS_STATE,
    RATES,
    REPORTS,
    Batch,
    KnownRates,
    Payee,
    Payout,
    RailState,
    Report,
    report_key,
)
from contracts.settlement.v1 import StatementClosed
from contracts.wire.envelope import Message
from infra.ports.store import Collection, Find, Index, Query, Transaction
from infra.runtime.repository import Codec, Found, Loaded, Repository, with_ids
from workers.payouts.model import State

DUE_MAX = 200
"""Payouts that one message sends or checks; the next message takes the rest."""

CANDIDATES_MAX = 1_000
"""Waiting payouts that a proposal looks at: those that it leaves out come last in the next one."""

BYTES_MAX = 4 * 2**20

OfBatches = ApproveBatch | RejectBatch
OfPayees = PayeeChanged | HoldPayouts | ReleasePayouts
OfReports = PayoutReported | ReportPayout
OfCorridors = DefineCorridor | ApproveCorridor | CloseCorridor
OfPayouts = ResolvePayout | ConfirmResolution
Turn = ClockTicked | PayoutsDue
Consumed = (
    StatementClosed
    | PayeeChanged
    | ClockTicked
    | PayoutsDue
    | ProposeBatch
    | ApproveBatch
    | RejectBatch
    | HoldPayouts
    | ReleasePayouts
    | PayoutReported
    | ReportPayout
    | ResolvePayout
    | ConfirmResolution
    | RatesApproved
    | DefineCorridor
    | ApproveCorridor
    | CloseCorridor
)

_payouts = Codec(Payout, key="payout_id")
_batches = Codec(Batch, key="batch_id")
_payees = Codec(Payee, key="distributor_id")
_rails = Codec(RailState, key="rail")
_reports = Codec(Report, key="report")
_rates = Codec(KnownRates, key="source")
_corridors = Codec(Corridor, key="corridor_id")
to_payout = _payouts.to_entity
to_batch = _batches.to_entity
to_payee = _payees.to_entity
to_report = _reports.to_entity
to_corridor = _corridors.to_entity


class PayoutRepository(Repository[State, Consumed]):
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(
            PAYOUTS,
            "the payable amount of each statement on its way, with its attempts; accounts are sealed",
            (
                Index((("due_at", 1), ("_id", 1)), "payouts with something to do", sparse=True),
                Index((("state", 1), ("market", 1), ("queued_at", 1)), "payouts that wait for a batch"),
                Index((("state", 1), ("_id", 1)), "payouts in a state"),
                Index((("attempts.key", 1),), "the payout of a key", sparse=True),
                Index((("distributor_id", 1), ("_id", 1)), "a distributor's payouts"),
                Index((("batch_id", 1), ("_id", 1)), "the payouts of a batch", sparse=True),
            ),
        ),
        Collection(
            BATCHES,
            "batches as they were proposed, and who approved them",
            (Index((("proposed_at", 1), ("_id", 1)), "the newest batches"),),
        ),
        Collection(PAYEES, "how each distributor is paid, as of the newest event, and holds; accounts are sealed"),
        Collection(
            REPORTS,
            "every report of an attempt, by the rail's own id, for ever",
            (Index((("payout_id", 1), ("received_at", 1)), "the reports of a payout", sparse=True),),
        ),
        Collection(RAILS_STATE, "rails that are paused, or have not answered"),
        Collection(
            RATES,
            "the newest exchange rates of each source",
            (Index((("as_of", 1),), "rates that are not too old"),),
        ),
        Collection(
            CORRIDORS,
            "where money may go, by the proposer's id",
            (
                Index((("state", 1), ("proposed_at", 1), ("_id", 1)), "corridors in a state"),
                Index((("proposed_at", 1), ("_id", 1)), "the newest corridors"),
            ),
        ),
    )

    def __init__(
        self,
        *,
        payouts: Loaded[str, Payout],
        batches: Loaded[str, Batch],
        payees: Loaded[int, Payee],
        rails: Loaded[str, RailState],
        reports: Loaded[str, Report],
        rates: Loaded[str, KnownRates],
        corridors: Loaded[str, Corridor],
        candidates: Mapping[str, tuple[str, ...]],
        due: tuple[str, ...],
        more_due: bool,
    ) -> None:
        self._payouts = payouts
        self._batches = batches
        self._payees = payees
        self._rails = rails
        self._reports = reports
        self._rates = rates
        self._corridors = corridors
        self._candidates = candidates
        self._due = due
        self._more_due = more_due
        self._of_key = {each.key: key for key, payout in payouts.all().items() for each in payout.attempts}

    @classmethod
    def queries(cls, messages: Sequence[Message[Consumed]]) -> dict[str, Query]:
        """All messages have one type, as those of a queue do."""
        data = [message.data for message in messages]
        reports = [d for d in data if isinstance(d, OfReports)]
        named = [d.statement_id for d in data if isinstance(d, StatementClosed)]
        named += [d.payout_id for d in data if isinstance(d, OfPayouts)]
        named += [key for d in data if isinstance(d, ProposeBatch) for key in d.statement_ids]
        has_rails = any(isinstance(d, Turn | ProposeBatch | PayoutReported | ReportPayout) for d in data)
        return {
            "payouts": with_ids(PAYOUTS, named),
            "of_keys": _with_keys(d.key for d in reports),
            "batches": with_ids(BATCHES, (d.batch_id for d in data if isinstance(d, ProposeBatch | OfBatches))),
            "payees": with_ids(PAYEES, (d.distributor_id for d in data if isinstance(d, OfPayees))),
            "rails": with_ids(RAILS_STATE, RAILS if has_rails else ()),
            "rates": _usable_rates(messages),
            "corridors": with_ids(CORRIDORS, (d.corridor_id for d in data if isinstance(d, OfCorridors))),
            "decided": Find(CORRIDORS, {"state": {"$in": [*DECIDED] if any(map(_needs_corridors, data)) else []}}),
            "reports": with_ids(REPORTS, (report_key(d.rail, d.report_id) for d in reports)),
        }

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Consumed]], found: Found) -> Self:
        """The payouts of batches, and those that are due or wait, take further queries, and so do their payees."""
        payouts = _payouts.by_key([*found["payouts"], *found["of_keys"]])
        batches = _batches.by_key(found["batches"])
        payees = _payees.by_key(found["payees"])
        due: dict[str, Payout] = {}
        more_due = False
        if turns := [at for message in messages if (at := _turn(message.data)) is not None]:
            due, more_due = await _due(tx, max(turns))
        candidates = {message.id: await _waiting(tx, message.data) for message in messages}
        for more in (due, *candidates.values()):
            payouts |= more
        if any(isinstance(message.data, OfBatches) for message in messages):
            lines = (line.payout_id for batch in batches.values() for line in batch.lines)
            payouts |= await _payouts.fetch(tx, PAYOUTS, lines)
        payees |= await _payees.fetch(tx, PAYEES, {payout.distributor_id for payout in payouts.values()})
        return cls(
            payouts=Loaded(payouts),
            batches=Loaded(batches),
            payees=Loaded(payees),
            rails=_rails.loaded(found["rails"]),
            reports=_reports.loaded(found["reports"]),
            rates=_rates.loaded(found["rates"]),
            corridors=_corridors.loaded([*found["corridors"], *found["decided"]]),
            candidates={key: tuple(waiting) for key, waiting in candidates.items()},
            due=tuple(due),
            more_due=more_due,
        )

    def state_for(self, message: Message[Consumed]) -> State:
        data = message.data
        candidates: tuple[str, ...] = ()
        batches, reports = self._batches.pick([]), self._reports.pick([])
        if isinstance(data, ProposeBatch):
            candidates = self._candidates_of(message.id, data)
            keys: Iterable[str] = candidates
            batches = self._batches.pick([data.batch_id])
        elif isinstance(data, OfBatches):
            batches = self._batches.pick([data.batch_id])
            keys = [line.payout_id for batch in batches.values() for line in batch.lines]
        elif isinstance(data, OfReports):
            keys = [key] if (key := self._of_key.get(data.key)) is not None else []
            reports = self._reports.pick([report_key(data.rail, data.report_id)])
        elif isinstance(data, Turn):
            keys = self._due
        else:
            keys = [key] if (key := _payout_named(data)) is not None else []
        payouts = self._payouts.pick(keys)
        distributors = {payout.distributor_id for payout in payouts.values()}
        if isinstance(data, OfPayees):
            distributors.add(data.distributor_id)
        return State(
            payouts=payouts,
            batches=batches,
            payees=self._payees.pick(sorted(distributors)),
            rails=self._rails.all(),
            reports=reports,
            rates=self._rates.all(),
            corridors=self._corridors.all(),
            candidates=candidates,
            due=self._due if isinstance(data, Turn) else (),
            more_due=self._more_due and isinstance(data, Turn),
        )

    def _candidates_of(self, message_id: str, command: ProposeBatch) -> tuple[str, ...]:
        """The payouts that a proposal looks at: those that it names, or those that still wait."""
        if command.statement_ids:
            return tuple(self._payouts.pick(dict.fromkeys(command.statement_ids)))
        waiting = self._payouts.pick(self._candidates[message_id])
        return tuple(key for key, payout in waiting.items() if payout.state == "waiting")

    def keep(self, state: State) -> None:
        self._payouts.keep(state.payouts)
        self._batches.keep(state.batches)
        self._payees.keep(state.payees)
        self._rails.keep(state.rails)
        self._reports.keep(state.reports)
        self._rates.keep(state.rates)
        self._corridors.keep(state.corridors)

    async def save(self, tx: Transaction) -> None:
        await _payouts.save(tx, PAYOUTS, self._payouts)
        await _batches.save(tx, BATCHES, self._batches)
        await _payees.save(tx, PAYEES, self._payees)
        await _rails.save(tx, RAILS_STATE, self._rails)
        await _reports.save(tx, REPORTS, self._reports)
        await _rates.save(tx, RATES, self._rates)
        await _corridors.save(tx, CORRIDORS, self._corridors)


def _payout_named(data: Consumed) -> str | None:
    if isinstance(data, StatementClosed):
        return data.statement_id
    return data.payout_id if isinstance(data, OfPayouts) else None


def _with_keys(keys: Iterable[str]) -> Query:
    return Find(PAYOUTS, {"attempts.key": {"$in": sorted(set(keys))}})


def _usable_rates(messages: Sequence[Message[Consumed]]) -> Query:
    """The stored rates of what is published, or all that a proposal may convert by."""
    published = [message.data.source for message in messages if isinstance(message.data, RatesApproved)]
    proposals = [message.received_at for message in messages if isinstance(message.data, ProposeBatch)]
    if not proposals:
        return with_ids(RATES, published)
    return Find(RATES, {"as_of": {"$gte": min(proposals) - RATE_AGE_MAX}})


def _needs_corridors(data: Consumed) -> bool:
    return isinstance(data, ProposeBatch | OfBatches | Turn | ApproveCorridor)


def _turn(data: Consumed) -> datetime | None:
    """The time at which a message asks for what is due."""
    if isinstance(data, ClockTicked):
        return data.at
    return data.due_at if isinstance(data, PayoutsDue) else None


async def _due(tx: Transaction, at: datetime) -> tuple[dict[str, Payout], bool]:
    found, more = await tx.find_some(
        PAYOUTS,
        {"due_at": {"$lte": at}},
        sort=(("due_at", 1), ("_id", 1)),
        limit=DUE_MAX,
        bytes_max=BYTES_MAX,
    )
    return _payouts.by_key(found), more


async def _waiting(tx: Transaction, data: Consumed) -> dict[str, Payout]:
    """The payouts that a proposal may take, in the order in which they wait; none if it names its own."""
    if not isinstance(data, ProposeBatch) or data.statement_ids:
        return {}
    where = {"state": "waiting", "market": data.market, **({"period": data.period} if data.period else {})}
    found, _ = await tx.find_some(PAYOUTS, where, sort=(("queued_at", 1),), limit=CANDIDATES_MAX, bytes_max=BYTES_MAX)
    return _payouts.by_key(found)
