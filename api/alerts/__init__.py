"""Alerts: listed and acknowledged; the routes by which they are sent, silences, and what became of each change."""
