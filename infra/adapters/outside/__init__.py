"""Notifications to people and programs outside: e-mails, signed webhooks, chat robots. One file per channel."""
