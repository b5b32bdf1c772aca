"""There is nothing to remember: `payouts` keeps what each report changes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class State:
    """No data: an answer is reported as it is."""
