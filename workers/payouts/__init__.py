"""Sends what statements state as payable: once, to the right account, and back if it must.

consumes   statement.closed, payee.changed; clock.ticked, payout.due; payout-batch.propose, payout-batch.approve,
           payout-batch.reject; payout.hold, payout.release; payout.reported, payout.report; payout.resolve,
           payout.confirm-resolution; exchange-rates.approved; corridor.define, corridor.approve, corridor.close
publishes  payout-batch.proposed, payout-batch.approved, payout-batch.rejected, payout-batch.refused; payout.held,
           payout.released, payout.hold-refused; payout.started, payout.attempt-due, payout.check-due, payout.due;
           payout.sent, payout.awaiting-payee, payout.paid, payout.failed, payout.returned, payout.doubtful,
           payout.conflicting; payout.report-refused, payout.resolution-proposed, payout.refused; rail.paused,
           rail.resumed; corridor.proposed, corridor.opened, corridor.closed, corridor.refused
owns       payouts.payouts, payouts.batches, payouts.payees, payouts.reports, payouts.rails, payouts.rates
           (published views: contracts.payouts.view), payouts.corridors (published view: contracts.corridors.view)
refuses    invalid_message, time_in_future, conflict; nothing_to_pay, unknown_batch, already_decided, digest_mismatch,
           stale_digest, same_person, payee_approves_own, changed_meanwhile; not_on_hold; unknown_key; unknown_payout,
           not_in_doubt, other_attempt, other_outcome, not_stated; unknown_corridor, amount_precision
proves     I15: every payable statement has one payout, its attempts have keys of their own and one is live at most;
           where it stands is what its reports say, each counted once; nothing in doubt is left without a question
proves     I16: what was sent is what enough other persons approved; nothing was sent to a distributor on hold, by a
           method that was cooling off, or by a rail that does not send the currency
proves     I17: what was converted is what an approved table gives, no older than the limit when it was sent, and never
           1:1; corridors are open by the word of two persons
"""
