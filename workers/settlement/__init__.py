"""Turns what is earned into what is owed: by period, to the cent, on statements that never change.

consumes   commission.released, commission.reversed, reward.granted (v1, v2), reward.adjusted, reward.released,
           reward.revoked; payout.started, payout.paid, payout.failed, payout.returned;
           clock.ticked, settlement.close-due, settlement.close; settlement.propose-terms, settlement.approve-terms;
           settlement.adjust, settlement.approve-adjustment
publishes  settlement.period-opened, settlement.close-due, statement.closed, settlement.close-refused;
           settlement.terms-proposed, settlement.terms-approved, settlement.terms-refused;
           settlement.adjustment-proposed, settlement.adjustment-approved, settlement.adjusted,
           settlement.adjustment-refused
owns       settlement.ledger, settlement.balances, settlement.accounts, settlement.periods, settlement.statements,
           settlement.terms, settlement.adjustments (published views: contracts.settlement.view), settlement.series
refuses    invalid_message, time_in_future, amount_precision, conflict; not_proposed, digest_mismatch, same_person,
           proposal_expired; unknown_period, period_not_over, final_of_all, nothing_to_close; nothing_to_adjust,
           payee_approves_own, write_off_not_allowed, write_off_too_early, more_than_owed
proves     I12: what commissions and rewards hand over is booked, once
proves     I13: postings balance, the sums of every slice are its postings, and what is payable, on its way and paid are
           those of the account; a conversion is posted in both currencies
proves     I14: statements are exactly their postings; opening, carried, numbers, tax and outcome are as recomputed;
           terms and adjustments are what others approved
"""
