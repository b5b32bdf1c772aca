"""Whether the market and the distributor of an adjustment exist: otherwise it would open an account for no one."""

from __future__ import annotations

from typing import NamedTuple

from contracts.network.view import DISTRIBUTORS
from contracts.rules.view import DEFAULT_MARKET, MARKETS
from contracts.settlement.view import PERIODS, TERMS
from infra.ports.store import Reader


class Unknown(NamedTuple):
    """A reason code and its sentence."""

    reason: str
    detail: str


async def unknown_in(read: Reader, market: str, distributor_id: int) -> Unknown | None:
    """Which of them does not exist; None if both do."""
    places: list[tuple[str, dict[str, object]]] = [(MARKETS, {"_id": market})]
    places += [(name, {"market": market}) for name in (PERIODS, TERMS)]
    known = market == DEFAULT_MARKET or any([await read.find(*place, limit=1, fields=("_id",)) for place in places])
    if not known:
        detail = f"There is no market {market}: no rules, terms or period name it. List the rules to see which do."
        return Unknown("market_unknown", detail)
    if not await read.find(DISTRIBUTORS, {"_id": distributor_id}, limit=1, fields=("_id",)):
        detail = f"There is no distributor {distributor_id}; look the number up in GET /api/distributors."
        return Unknown("distributor_unknown", detail)
    return None
