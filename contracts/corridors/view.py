"""The published view of corridors, owned by `payouts`. Limits in minor units, by currency."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

CORRIDORS = "payouts.corridors"

CorridorState = Literal["proposed", "open", "closed", "replaced", "rejected"]

DECIDED: tuple[CorridorState, ...] = ("open", "closed")
"""The states of the corridor that counts for its route; there is one at most."""


@dataclass(frozen=True, slots=True)
class Corridor:
    """Where money may go. Only its state, and who decided, ever change. `closed_by` is None if another corridor has
    replaced it while it was open.
    """

    corridor_id: str
    rail: str
    from_country: str
    to_country: str
    currencies: tuple[str, ...]
    digest: str
    proposed_by: str
    proposed_at: datetime
    limit_per_payment: Mapping[str, int] = field(default_factory=dict)
    limit_per_year: Mapping[str, int] = field(default_factory=dict)
    state: CorridorState = "proposed"
    proposed_os_user: str | None = None
    approved_by: str | None = None
    approved_at: datetime | None = None
    approved_os_user: str | None = None
    closed_by: str | None = None
    closed_at: datetime | None = None
    closed_os_user: str | None = None
    close_reason: str | None = None

    @property
    def route(self) -> tuple[str, str, str]:
        """At most one corridor of a route is open or closed; the others were replaced."""
        return self.rail, self.from_country, self.to_country


def corridor_digest(
    route: Iterable[str], currencies: Iterable[str], per_payment: Mapping[str, int], per_year: Mapping[str, int]
) -> str:
    """The SHA-256 digest of a corridor, which an approval names."""
    plain = [list(route), sorted(currencies), dict(per_payment), dict(per_year)]
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
