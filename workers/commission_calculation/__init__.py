"""Pays every upline by the rules of the order's time, releases it after the hold, takes it back on refunds.

consumes   order.paid, order.completed, order.cancelled, order.refunded, order.after-sale-changed, clock.ticked
publishes  commission.accrued, commission.released, commission.reversed
owns       commission_calculation.commissions, commission_calculation.notices, commission_calculation.earnings,
           commission_calculation.ledger, commission_calculation.balances
refuses    nothing: a paid order is owed its commissions, and a refund never waits for them; uplines that get
           nothing are listed with a reason code (inactive, beyond_last_level, cap_reached and the others of the
           rules contract)
proves     I2: each paid order has exactly the commissions its snapshot and rule version give
proves     I3: no pool is exceeded; postings balance; ledger, entries and balances agree
"""
