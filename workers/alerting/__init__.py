"""Keeps what a person must handle: alerts, one per threshold crossing, and dead letters.

consumes   stock.low, stock.recovered, stock.shortage-changed, stock.expiring, stock.expired; queue.measured;
           payout.doubtful, payout.paid, payout.failed, payout.returned, payout.conflicting, payout.released;
           rail.paused, rail.resumed;
           webhook.disabled, webhook.enabled, webhook.removed; verification.report; route.failing, route.recovered;
           message.dead-lettered; dead-letter.settle;
           messages that the broker dead-lettered
publishes  alert.raised, alert.resolved; dead-letter.settled, dead-letter.refused; verification.refused
owns       alerting.alerts, alerting.dead_letters, alerting.queues
refuses    invalid_message, time_in_future, conflict, unknown_letter, already_replayed
proves     I1: an alert is open exactly while its product is low or short, expires soon or has expired
"""
