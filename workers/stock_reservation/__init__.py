"""Keeps the stock and reserves it for orders: all lines of an order or none, never more than in stock.

consumes   order.accepted, order.shipped, order.cancelled, order.refunded, order.unpaid-cancelled;
           stock.receive, stock.adjust, stock.set; clock.ticked
publishes  stock.reserved, stock.short, stock.released; stock.received, stock.adjusted, stock.refused;
           stock.low, stock.recovered; stock.shortage-changed, stock.release-requested;
           stock.expiring, stock.expired
owns       stock_reservation.items (a published view: contracts.stock.view), stock_reservation.reservations,
           stock_reservation.bookings
refuses    below_zero, conflict, conflicting_reference, expiry_mismatch, invalid_message, time_in_future
proves     I1: books and reservations of the stock agree, and nothing is oversold; units that expire
           are announced
"""
