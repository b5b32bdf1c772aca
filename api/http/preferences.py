"""A client's preferences for waiting (RFC 7240): `wait=N`, `respond-async`. An unreadable one is ignored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

WAIT_S = 2.0
"""The wait without a preference: most outcomes arrive within a tenth of it."""

WAIT_MAX_S = 10.0
"""A waiting request holds a connection and a slot, so the wait is bounded."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """`wait` is the requested one, in seconds; None without one."""

    wait: int | None = None
    respond_async: bool = False

    @classmethod
    def of(cls, prefer: str) -> Self:
        """The first of each preference counts (RFC 7240, section 2)."""
        found: dict[str, str] = {}
        for part in prefer.split(",")[:32]:
            name, _, value = part.partition(";")[0].partition("=")
            found.setdefault(name.strip().lower(), value.strip().strip('"'))
        wait = found.get("wait", "")
        return cls(
            int(wait) if wait.isascii() and wait.isdigit() and len(wait) < 10 else None, "respond-async" in found
        )

    @property
    def wait_s(self) -> float:
        if self.wait is not None:
            return min(float(self.wait), WAIT_MAX_S)
        return 0.0 if self.respond_async else WAIT_S

    @property
    def applied(self) -> str | None:
        """The preferences that an answer with the outcome followed."""
        return f"wait={int(self.wait_s)}" if self.wait is not None else None

    @property
    def applied_without_outcome(self) -> str | None:
        """The preferences that a 202 followed."""
        followed = ["respond-async"] if self.respond_async else []
        return ", ".join([*followed, *([self.applied] if self.applied else [])]) or None
