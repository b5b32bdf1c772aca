"""Accepts orders and keeps their status: pending, paid, shipped, completed; rejected, cancelled, refunded.

consumes   order.place (v1, v2), order.update-status, order.refund, order.after-sale;
           stock.reserved, stock.short, stock.release-requested; clock.ticked
publishes  order.accepted, order.refused, order.rejected, order.paid, order.shipped, order.completed,
           order.cancelled, order.status-refused, order.refunded, order.refund-refused, order.after-sale-changed,
           order.after-sale-refused, order.unpaid-cancelled
owns       order_intake.orders, order_intake.placers
refuses    invalid_message, time_in_future, shop_unknown, distributor_unknown, distributor_inactive,
           product_unknown, product_inactive, no_rules, placed_in_future, placed_too_long_ago,
           currency_not_accepted, amount_precision, discount_exceeds_amount, total_mismatch, total_too_large,
           conflict, order_id_reserved; distributors_not_accepted, not_for_distributors, price_required,
           too_many_unpaid_orders, too_many_unpaid_units; order_unknown, order_rejected, order_cancelled,
           order_refunded, not_paid, not_shipped, already_shipped; too_many_refunds,
           too_many_changes, not_ordered, nothing_to_refund, more_than_left
proves     I4: every order is in a legal state and none is stuck
"""
