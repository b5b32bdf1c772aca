"""Rewards: granted when a target is reached, revoked when it is no longer."""
