"""Rules: commissions and rewards, and when they hold."""
