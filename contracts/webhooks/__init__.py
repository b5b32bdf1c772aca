"""Webhooks of shops: where the events of a shop's own orders are sent."""
