"""Keeps what needs a person: alerts, once per crossing, and the letters that nobody could handle.

consumes   stock.low, stock.recovered; message.dead-lettered; dead-letter.settle
publishes  alert.raised, alert.resolved; dead-letter.settled, dead-letter.refused
owns       alerting.alerts, alerting.dead_letters
refuses    unknown_letter, already_replayed, conflict, invalid_message
"""
