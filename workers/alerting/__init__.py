"""Keeps what needs a person: alerts, once per crossing, and the letters that nobody could handle.

consumes   stock.low, stock.recovered; message.dead-lettered
publishes  alert.raised, alert.resolved
owns       alerting.alerts, alerting.dead_letters
refuses    nothing
"""
