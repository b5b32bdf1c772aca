"""Sends notifications to mail servers, chat robots and webhooks, events to webhooks of shops, and reports each attempt.

consumes   notification.due; webhook.due
publishes  notification.delivered, notification.failed; webhook.delivered, webhook.failed
owns       notification_delivery.deliveries
refuses    nothing
proves     I9: every call to a notification's channel or a webhook has ended, or began half an hour ago at most
"""
