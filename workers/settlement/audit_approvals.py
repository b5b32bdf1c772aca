"""I14: terms and adjustments are what their digests name, and what as many persons approved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from contracts.settlement.digests import adjustment_digest, digest_of
from contracts.settlement.view import ADJUSTMENTS, LEDGER, TERMS, Adjustment, Posting, TermsVersion
from infra.auditing.audit import Read, Report, together
from workers.settlement.repository import to_adjustment, to_posting, to_terms

_AFTER_THEM = "adjustment0"
"""The ids of postings of adjustments are before it: 0 is the character after the stroke."""


async def audit_approvals(read: Read, report: Report) -> None:
    """The terms and adjustments that two persons agreed on, and the postings of adjustments."""
    async for document in read.stream(TERMS, report.among("settlement-terms", "_id", int)):
        version = to_terms(document)
        report.add("I14", "terms")
        for fault in _faults_of_terms(version):
            report.breach("I14", f"settlement-terms/{version.terms_version}", fault)
    async for taken in together(read.stream(ADJUSTMENTS, report.among("adjustment", "_id"))):
        await _audit_adjustments(read, report, [to_adjustment(document) for document in taken])
    booked = report.among("adjustment", "_id", _posting_id) or {"_id": {"$gte": _posting_id(""), "$lt": _AFTER_THEM}}
    async for taken in together(read.stream(LEDGER, booked, fields=("reference",))):
        names = {document["reference"] for document in taken}
        known = await read.find(ADJUSTMENTS, {"_id": {"$in": sorted(names)}}, fields=("_id",))
        for name in sorted(names - {document["_id"] for document in known}):
            report.breach("I14", f"adjustment/{name}", "has a posting, and there is no such adjustment")


async def _audit_adjustments(read: Read, report: Report, adjustments: Sequence[Adjustment]) -> None:
    ids = [_posting_id(adjustment.adjustment_id) for adjustment in adjustments]
    postings = {document["_id"]: to_posting(document) for document in await read.find(LEDGER, {"_id": {"$in": ids}})}
    for adjustment in adjustments:
        report.add("I14", "adjustments")
        for fault in _faults_of_adjustment(adjustment, postings.get(_posting_id(adjustment.adjustment_id))):
            report.breach("I14", f"adjustment/{adjustment.adjustment_id}", fault)


def _posting_id(adjustment_id: str) -> str:
    return f"adjustment/{adjustment_id}"


def _faults_of_terms(version: TermsVersion) -> Iterator[str]:
    if digest_of(version.terms) != version.digest or version.terms.market != version.market:
        yield "the terms are not those that the digest names"
    if version.since is not None and not _are_others([version.approved_by or ""], version.proposed_by):
        yield f"proposed by {version.proposed_by}, approved by {version.approved_by or 'no one'}"


def _faults_of_adjustment(adjustment: Adjustment, posting: Posting | None) -> Iterator[str]:
    digest = adjustment_digest(
        adjustment.kind,
        adjustment.market,
        adjustment.distributor_id,
        adjustment.currency,
        adjustment.amount_minor,
        adjustment.reason,
        adjustment.note,
    )
    if digest != adjustment.digest:
        yield "it is not the one that the digest names"
    is_booked = adjustment.statement is not None
    if (is_booked or adjustment.approved_by) and not _are_others(adjustment.approved_by, adjustment.proposed_by):
        yield f"proposed by {adjustment.proposed_by}, approved by {', '.join(adjustment.approved_by) or 'no one'}"
    stated = (adjustment.kind, adjustment.statement, adjustment.amount_minor) if is_booked else None
    booked = (posting.kind, posting.statement, posting.amount_minor) if posting is not None else None
    if stated != booked:
        yield f"it states {stated}, its posting is {booked}"


def _are_others(approvers: Sequence[str], proposer: str) -> bool:
    """Whether there are approvers, each of them another person."""
    persons = {name.casefold() for name in approvers}
    return bool(approvers) and all(approvers) and len(persons) == len(approvers) and proposer.casefold() not in persons
