"""Gives the seller of a paid order a loyalty point for each whole unit of net sales.

consumes   order.paid
publishes  points.earned
owns       loyalty_points.credits
refuses    nothing
proves     I15: each paid order earned the points that its net gives
"""
