"""The state of one message: payouts, batches, payees, rails and reports, and what is due or may be proposed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from contracts.corridors.view import Corridor
from contracts.payouts.view import Batch, KnownRates, Payee, Payout, RailState, Report
from contracts.wire.decision import Decision, NotYet


@dataclass(frozen=True, slots=True)
class State:
    """The data for one message. `candidates` are the payouts that a proposal looks at, in this order. `due` are those
    with a task, and `more_due` is whether there are others.
    """

    payouts: Mapping[str, Payout] = field(default_factory=dict)
    batches: Mapping[str, Batch] = field(default_factory=dict)
    payees: Mapping[int, Payee] = field(default_factory=dict)
    rails: Mapping[str, RailState] = field(default_factory=dict)
    reports: Mapping[str, Report] = field(default_factory=dict)
    rates: Mapping[str, KnownRates] = field(default_factory=dict)
    corridors: Mapping[str, Corridor] = field(default_factory=dict)
    candidates: tuple[str, ...] = ()
    due: tuple[str, ...] = ()
    more_due: bool = False

    def payee(self, distributor_id: int) -> Payee:
        """The payee as far as known: one of whom nothing was published has no method."""
        return self.payees.get(distributor_id) or Payee(distributor_id)

    def rail(self, name: str) -> RailState:
        return self.rails.get(name) or RailState(name)

    def with_payout(self, payout: Payout) -> Self:
        return self.with_payouts((payout,))

    def with_payouts(self, payouts: Iterable[Payout]) -> Self:
        return replace(self, payouts={**self.payouts, **{payout.payout_id: payout for payout in payouts}})

    def with_batch(self, batch: Batch) -> Self:
        return replace(self, batches={**self.batches, batch.batch_id: batch})

    def with_payee(self, payee: Payee) -> Self:
        return replace(self, payees={**self.payees, payee.distributor_id: payee})

    def with_rail(self, rail: RailState) -> Self:
        return replace(self, rails={**self.rails, rail.rail: rail})

    def with_report(self, report: Report) -> Self:
        return replace(self, reports={**self.reports, report.report: report})

    def with_rates(self, rates: KnownRates) -> Self:
        return replace(self, rates={**self.rates, rates.source: rates})

    def with_corridor(self, corridor: Corridor) -> Self:
        return replace(self, corridors={**self.corridors, corridor.corridor_id: corridor})


Result = Decision[State] | NotYet[State]
"""What a rule returns."""
