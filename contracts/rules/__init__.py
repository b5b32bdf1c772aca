"""Rules: which commissions and rewards hold from when."""
