"""Rehearsals: the commissions of stored orders under other rules, or under another sponsor. Nothing is written."""
