"""Sends the events of a shop's own orders to the shop's webhooks: when, how often, and what became of each.

consumes   webhook.define, webhook.remove, webhook.rotate-secret, webhook.enable, webhook.disable, webhook.redeliver;
           shop.event-copied; webhook.delivered, webhook.failed; clock.ticked
publishes  webhook.defined, webhook.removed, webhook.secret-rotated, webhook.enabled, webhook.disabled,
           webhook.redelivered, webhook.refused; webhook.due
owns       shop_webhooks.webhooks, shop_webhooks.deliveries (published views: contracts.webhooks.view)
refuses    already_defined, conflict, delivery_unknown, invalid_message, not_ended, not_shop_event, time_in_future,
           too_many_webhooks, webhook_unknown
proves     I11: every copy that was taken has a delivery for at least one webhook, and a webhook counts what is being
           sent there and what waits
"""
