"""Which message goes to which rule."""

from contracts.clock.v1 import ClockTicked
from contracts.corridors.v1 import ApproveCorridor, CloseCorridor, DefineCorridor
from contracts.exchange_rates.v1 import RatesApproved
from contracts.payees.v1 import PayeeChanged
from contracts.payouts import v1
from contracts.settlement.v1 import StatementClosed
from infra.runtime.worker import Worker, on
from workers.payouts import batches, converting, corridors, decide, holds, reports, resolutions, sending
from workers.payouts.audit import audit_payouts
from workers.payouts.audit_approvals import audit_approvals
from workers.payouts.audit_conversions import audit_conversions
from workers.payouts.repository import PayoutRepository

WORKER = Worker(
    name="payouts",
    repository=PayoutRepository,
    handlers=(
        on(StatementClosed, decide=decide.note_statement),
        on(PayeeChanged, decide=decide.note_payee),
        on(RatesApproved, decide=converting.note_rates),
        on(DefineCorridor, decide=corridors.define_corridor, refuse=corridors.refuse_unreadable),
        on(ApproveCorridor, decide=corridors.approve_corridor, refuse=corridors.refuse_unreadable),
        on(CloseCorridor, decide=corridors.close_corridor, refuse=corridors.refuse_unreadable),
        on(ClockTicked, decide=sending.send_on_tick),
        on(v1.PayoutsDue, decide=sending.send_due, background=True),
        on(v1.ProposeBatch, decide=batches.propose_batch, refuse=batches.refuse_unreadable),
        on(v1.ApproveBatch, decide=batches.approve_batch, refuse=batches.refuse_unreadable),
        on(v1.RejectBatch, decide=batches.reject_batch, refuse=batches.refuse_unreadable),
        on(v1.HoldPayouts, decide=holds.hold_payouts, refuse=holds.refuse_unreadable),
        on(v1.ReleasePayouts, decide=holds.release_payouts, refuse=holds.refuse_unreadable),
        on(v1.PayoutReported, decide=reports.note_reported),
        on(v1.ReportPayout, decide=reports.note_report, refuse=reports.refuse_unreadable),
        on(v1.ResolvePayout, decide=resolutions.resolve_payout, refuse=resolutions.refuse_unreadable),
        on(v1.ConfirmResolution, decide=resolutions.confirm_resolution, refuse=resolutions.refuse_unreadable),
    ),
    audits=(audit_payouts, audit_approvals, audit_conversions),
    announces=(v1.PayoutConflicting, v1.RailPaused),
)
