"""The sponsor tree has no cycle, and each stored upline is what following the sponsors gives."""

from __future__ import annotations

from contracts.network.view import DISTRIBUTORS
from contracts.orders.v1 import UPLINE_DEPTH_MAX
from infra.runtime.audit import Read, Report
from workers.network.repository import to_distributor


async def audit(read: Read, report: Report) -> None:
    sponsors: dict[int, int | None] = {}
    uplines: dict[int, tuple[int, ...]] = {}
    async for document in read.stream(DISTRIBUTORS, {}):
        distributor = to_distributor(document)
        sponsors[distributor.distributor_id] = distributor.sponsor_id
        uplines[distributor.distributor_id] = distributor.upline
    report.figure("I4", "distributors", len(sponsors))
    for distributor_id, stored in uplines.items():
        above: list[int] = []
        sponsor_id = sponsors[distributor_id]
        while sponsor_id is not None and len(above) < UPLINE_DEPTH_MAX - 1:
            above.append(sponsor_id)
            sponsor_id = sponsors.get(sponsor_id)
        about = f"distributor/{distributor_id}"
        report.require(distributor_id not in above, "I4", about, "is its own upline")
        report.require(stored == tuple(above), "I4", about, f"upline is {stored}, the sponsors give {tuple(above)}")
