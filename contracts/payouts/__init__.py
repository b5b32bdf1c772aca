"""Payouts: what is sent where, what became of it, and who approved it."""
