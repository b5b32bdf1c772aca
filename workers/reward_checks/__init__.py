"""Grants a distributor the bonus of a sales target when the month's own sales reach it, and takes it back if they fall.

consumes   order.paid, order.refunded, order.cancelled, commission.released
publishes  reward.granted, reward.adjusted, reward.released
owns       reward_checks.progress, reward_checks.sales
refuses    nothing
proves     I7: rewards are what the orders give
"""
