"""Rewards: granted when a target is reached, revoked when sales fall below it."""
