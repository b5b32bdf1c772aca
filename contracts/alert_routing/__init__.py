"""Operators decide who learns of alerts: routes, silences and acknowledgements."""
