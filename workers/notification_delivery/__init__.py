"""Sends notifications to mail servers, chat robots and webhooks, and reports what became of each attempt.

consumes   notification.due
publishes  notification.delivered, notification.failed
owns       notification_delivery.deliveries
refuses    nothing
proves     I9: every call to a notification's channel has ended, or began half an hour ago at most
"""
