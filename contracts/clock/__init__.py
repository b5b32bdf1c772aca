"""Time arrives as a message."""
