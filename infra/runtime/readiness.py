"""Whether this process can do its work now, and if not, what it waits for."""

from __future__ import annotations


class Readiness:
    def __init__(self) -> None:
        self._lacking: dict[str, str] = {}

    def lacks(self, part: str, reason: str) -> None:
        self._lacking[part] = reason

    def has(self, part: str) -> None:
        self._lacking.pop(part, None)

    @property
    def reasons(self) -> dict[str, str]:
        """What is lacking, by part; empty when ready."""
        return dict(self._lacking)
