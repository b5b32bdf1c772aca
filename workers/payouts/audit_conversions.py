"""I17: what was converted, recomputed by the table that was approved; and who opened the corridors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from contracts.corridors.view import CORRIDORS, Corridor, corridor_digest
from contracts.exchange_rates.conversion import rate_between, rate_of, spread_fee, to_minor
from contracts.exchange_rates.view import RATE_AGE_MAX, TABLES
from contracts.payouts.rails import RAILS
from contracts.payouts.view import ENDED, PAYOUTS, UNDER_WAY, Payout
from contracts.times import plus
from infra.auditing.audit import Read, Report, together
from infra.ports.store import Document
from workers.payouts.repository import to_corridor, to_payout

PAYOUTS_TOGETHER = 500


async def audit_conversions(read: Read, report: Report) -> None:
    where = {"state": {"$in": sorted(UNDER_WAY | ENDED)}, **report.among("payout", "_id")}
    async for taken in together(read.stream(PAYOUTS, where), PAYOUTS_TOGETHER):
        payouts = [to_payout(document) for document in taken]
        used = {payout.plan.conversion.table_id for payout in payouts if payout.plan and payout.plan.conversion}
        found = await read.find(TABLES, {"_id": {"$in": sorted(used)}}) if used else []
        tables = {document["_id"]: document for document in found}
        for payout in payouts:
            for fault in _faults_of_payout(payout, tables):
                report.breach("I17", f"payout/{payout.payout_id}", fault)
            report.add("I17", "conversions", int(payout.plan is not None and payout.plan.conversion is not None))
    async for document in read.stream(CORRIDORS, report.among("corridor", "_id")):
        corridor = to_corridor(document)
        report.add("I17", f"corridors {corridor.state}")
        for fault in _faults_of_corridor(corridor):
            report.breach("I17", f"corridor/{corridor.corridor_id}", fault)


def _faults_of_payout(payout: Payout, tables: Mapping[str, Document]) -> Iterator[str]:
    plan = payout.plan
    if plan is None:
        return
    source, target, known = payout.statement_currency, plan.currency, plan.conversion
    if (known is None) != (source == target):
        yield f"sends {target} of {source} {'without' if known is None else 'with'} a conversion"
    if known is None or source == target:
        return
    whole = target in RAILS[plan.rail].whole_units
    fee = spread_fee(payout.payable_minor, known.spread_ppm)
    amount = to_minor(payout.payable_minor - fee, rate_of(known.rate), source, target, whole_units=whole)
    if (known.fee_minor, plan.amount_minor, plan.left_minor) != (fee, amount, 0):
        yield f"sends {plan.amount_minor} with a fee of {known.fee_minor}; its rate gives {amount} with {fee}"
    if payout.started_at is None or plus(known.as_of, RATE_AGE_MAX) < payout.started_at:
        yield f"was begun at {payout.started_at} by rates of {known.as_of}"
    table = tables.get(known.table_id)
    if table is None or table["state"] != "approved":
        yield f"was converted by the table {known.table_id}, which was not approved"
        return
    stated = (table["source"], table["as_of"], table["spread_ppm"])
    if (known.source, known.as_of, known.spread_ppm) != stated:
        yield f"states other facts of the table {known.table_id}"
    if known.rate != (rate := rate_between(table["base"], table["rates"], source, target)):
        yield f"was converted by {known.rate}; the table {known.table_id} has {rate}"


def _faults_of_corridor(corridor: Corridor) -> Iterator[str]:
    digest = corridor_digest(corridor.route, corridor.currencies, corridor.limit_per_payment, corridor.limit_per_year)
    if digest != corridor.digest:
        yield "it is not the one that the digest names"
    approver = corridor.approved_by
    if (corridor.state in ("open", "closed", "replaced")) != (approver is not None):
        yield f"it is {corridor.state}, approved by {approver or 'no one'}"
    if approver is not None and approver.casefold() == corridor.proposed_by.casefold():
        yield f"proposed by {corridor.proposed_by}, approved by {approver}"
