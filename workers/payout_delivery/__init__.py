"""Sends payouts by the rails, asks them what became of it, and reports each answer.

consumes   payout.attempt-due, payout.check-due
publishes  payout.reported
owns       nothing: the notes of its calls are the runtime's
refuses    nothing
proves     I9: every call to a rail has ended, or began half an hour ago at most
"""
