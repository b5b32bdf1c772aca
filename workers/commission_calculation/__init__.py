"""Pays every upline what the rules of the order's time promise, and takes it back when the order falls.

consumes   order.paid, order.cancelled
publishes  commission.accrued, commission.reversed
owns       commission_calculation.commissions, commission_calculation.ledger, commission_calculation.balances
refuses    nothing: an order that was paid is owed its commissions; uplines that get nothing are listed with a
           reason code (inactive, beyond_last_level)
"""
