"""Which message goes to which rule."""

from contracts.clock.v1 import ClockTicked
from contracts.commissions.v1 import CommissionReleased, CommissionReversed
from contracts.payouts.v1 import PayoutFailed, PayoutPaid, PayoutReturned, PayoutStarted
from contracts.rewards import v1 as rewards
from contracts.rewards.v2 import RewardGranted
from contracts.settlement import v1
from infra.runtime.worker import Worker, on
from workers.settlement import adjustments, closing, decide, payouts, terms
from workers.settlement.audit import audit_hand_over
from workers.settlement.audit_approvals import audit_approvals
from workers.settlement.audit_statements import audit_statements
from workers.settlement.repository import SettlementRepository

WORKER = Worker(
    name="settlement",
    repository=SettlementRepository,
    handlers=(
        on(CommissionReleased, decide=decide.book_release),
        on(CommissionReversed, decide=decide.book_reversal),
        on(RewardGranted, older=(rewards.RewardGranted,), decide=decide.book_reward),
        on(rewards.RewardReleased, decide=decide.release_reward),
        on(rewards.RewardAdjusted, decide=decide.adjust_reward),
        on(rewards.RewardRevoked, decide=decide.take_back_reward),
        on(PayoutStarted, decide=payouts.send_payout),
        on(PayoutPaid, decide=payouts.pay_payout),
        on(PayoutFailed, decide=payouts.fail_payout),
        on(PayoutReturned, decide=payouts.return_payout),
        on(ClockTicked, decide=closing.close_on_tick),
        on(v1.CloseDue, decide=closing.close_due, background=True),
        on(v1.ClosePeriod, decide=closing.close_by_hand, refuse=closing.refuse_unreadable),
        on(v1.ProposeTerms, decide=terms.propose_terms, refuse=terms.refuse_unreadable),
        on(v1.ApproveTerms, decide=terms.approve_terms, refuse=terms.refuse_unreadable),
        on(v1.ProposeAdjustment, decide=adjustments.propose_adjustment, refuse=adjustments.refuse_unreadable),
        on(v1.ApproveAdjustment, decide=adjustments.approve_adjustment, refuse=adjustments.refuse_unreadable),
    ),
    audits=(audit_hand_over, audit_statements, audit_approvals),
)
