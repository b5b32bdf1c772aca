"""Rehearsals: what stored orders would have paid under other rules, or under another sponsor. Nothing is written."""
