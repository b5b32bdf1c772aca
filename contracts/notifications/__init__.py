"""Alerts become notifications, and notifications reach people."""
