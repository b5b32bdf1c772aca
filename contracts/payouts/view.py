"""The published view of payouts, owned by `payouts`."""

PAYOUTS = "payouts.payouts"

UNDER_WAY = ("sending", "sent", "awaiting_payee", "doubtful")
"""The states of a payout that is neither before its first attempt nor at its end."""
