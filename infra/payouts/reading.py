"""Reads payouts, their batches, payees and reports. The API and the command line share it."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.payouts.view import BATCHES, PAYEES, PAYOUTS, REPORTS, Batch, Payee, Payout, Report
from infra.ports.store import Reader
from infra.runtime.repository import Codec

REPORTS_MAX = 200
"""Reports of one payout that are shown; a rail sends a handful."""

_batches = Codec(Batch, key="batch_id")
_payees = Codec(Payee, key="distributor_id")
_payouts = Codec(Payout, key="payout_id")
_reports = Codec(Report, key="report")
to_batch = _batches.to_entity
to_payout = _payouts.to_entity


async def payout_with(reader: Reader, payout_id: str) -> Payout | None:
    found = await reader.find(PAYOUTS, {"_id": payout_id}, limit=1)
    return to_payout(found[0]) if found else None


async def batch_with(reader: Reader, batch_id: str) -> Batch | None:
    found = await reader.find(BATCHES, {"_id": batch_id}, limit=1)
    return to_batch(found[0]) if found else None


async def payees_with(reader: Reader, distributor_ids: Sequence[int]) -> dict[int, Payee]:
    """What is known of these payees, by distributor."""
    found = await reader.find(PAYEES, {"_id": {"$in": sorted(set(distributor_ids))}}) if distributor_ids else []
    return _payees.by_key(found)


async def reports_of(reader: Reader, payout_id: str) -> list[Report]:
    """What rails and people reported of a payout, in the order in which it came."""
    where = {"payout_id": payout_id}
    found = await reader.find(REPORTS, where, sort=(("received_at", 1),), limit=REPORTS_MAX)
    return [_reports.to_entity(document) for document in found]
