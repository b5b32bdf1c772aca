"""I15: where each payout stands, recomputed from its statement and its reports."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from contracts.money import to_amount
from contracts.payouts.rails import RAILS
from contracts.payouts.view import ENDED, PAYOUTS, RANKS, REPORTS, UNDER_WAY, Payout
from contracts.payouts.view import Report as RailReport
from contracts.settlement.view import STATEMENTS
from infra.auditing.audit import IN_HAND_MAX, Read, Report, together
from infra.ports.store import Document
from workers.payouts.attempts import key_of
from workers.payouts.repository import to_payout, to_report

PAYOUTS_TOGETHER = 500


async def audit_payouts(read: Read, report: Report) -> None:
    """Each payout with its reports and its statement; then each payable statement, that it has a payout."""
    where = report.among("payout", "_id")
    async for taken in together(read.stream(PAYOUTS, where), PAYOUTS_TOGETHER):
        payouts = [to_payout(document) for document in taken]
        ids = [payout.payout_id for payout in payouts]
        reports: defaultdict[str, list[RailReport]] = defaultdict(list)
        for document in await read.find(REPORTS, {"payout_id": {"$in": ids}}):
            reports[document["payout_id"]].append(to_report(document))
        found = await read.find(STATEMENTS, {"_id": {"$in": ids}}, fields=("payable_minor", "distributor_id"))
        statements = {document["_id"]: document for document in found}
        for payout in payouts:
            report.add("I15", payout.state)
            own = reports[payout.payout_id]
            for fault in (
                *_faults_of_attempts(payout),
                *_faults_by_reports(payout, own),
                *_faults_by_statement(payout, statements.get(payout.payout_id)),
            ):
                report.breach("I15", f"payout/{payout.payout_id}", fault)
    await _find_unpaid(read, report)


def _faults_of_attempts(payout: Payout) -> Iterator[str]:
    """Numbers and keys follow from the payout; all attempts but the newest have failed; someone asks about it."""
    for number, attempt in enumerate(payout.attempts, start=1):
        if (attempt.number, attempt.key) != (number, key_of(payout.payout_id, number)):
            yield f"attempt {number} has the number {attempt.number} or another key"
        if attempt.ended is None and number < len(payout.attempts):
            yield f"attempt {number} is not known to have failed, and there is another one"
    if bool(payout.attempts) != (payout.state in UNDER_WAY | ENDED):
        yield f"is {payout.state} with {len(payout.attempts)} attempts"
    is_with_persons = payout.needs_person or payout.conflict is not None
    waits = payout.plan is not None and RAILS[payout.plan.rail].answers == "person" and payout.state == "sent"
    if payout.state in UNDER_WAY and payout.due_at is None and not (is_with_persons or waits):
        yield f"is {payout.state}, and nobody asks what became of it"


def _faults_by_reports(payout: Payout, reports: Sequence[RailReport]) -> Iterator[str]:
    """Each report counts once, and the one of the highest rank decides. What was given up after a failure has only
    reports of that.
    """
    applied = [each for each in reports if each.effect == "applied"]
    counted = Counter((each.outcome, each.attempt) for each in applied if each.outcome in ("paid", "returned"))
    for (outcome, attempt), count in counted.items():
        if count > 1:
            yield f"{count} reports of attempt {attempt} count as {outcome}"
    live = len(payout.attempts)
    ends = [each for each in applied if each.attempt == live and RANKS.get(each.outcome, 0) >= RANKS["paid"]]
    if any(each.outcome in ("paid", "returned") and each.attempt != live for each in applied):
        yield "a report of an older attempt counts as paid"
    if payout.state == "paid" and not any(each.outcome == "paid" for each in ends):
        yield "is paid, and no report says so"
    if payout.state == "returned" and not any(each.outcome in ("returned", "failed") for each in ends):
        yield "is returned, and no report says so"
    if payout.state == "failed" and any(each.outcome in ("paid", "returned") for each in ends):
        yield "is failed, and was paid"
    if payout.state in UNDER_WAY and any(each.outcome in ("paid", "returned") for each in ends):
        yield f"is {payout.state}, and was paid"
    plan = payout.plan
    for each in ends:
        if each.outcome == "paid" and plan is not None and each.amount_minor not in (None, plan.amount_minor):
            yield f"{each.report} counts as paid with another amount"


def _faults_by_statement(payout: Payout, statement: Document | None) -> Iterator[str]:
    """It pays what its statement states as payable, to whom it is payable."""
    stated = (statement["payable_minor"], statement["distributor_id"]) if statement else None
    if stated != (payout.payable_minor, payout.distributor_id):
        amount = to_amount(payout.payable_minor, payout.statement_currency)
        yield f"pays {amount} to {payout.distributor_id}; its statement says {stated}"


async def _find_unpaid(read: Read, report: Report) -> None:
    """A payable statement without a payout, once its event had time to arrive."""
    where = {"outcome": "payable", **report.among("payout", "_id")}
    async for taken in together(read.stream(STATEMENTS, where, fields=("closed_at",))):
        late = [each["_id"] for each in taken if report.now - each["closed_at"] > IN_HAND_MAX]
        known = {each["_id"] for each in await read.find(PAYOUTS, {"_id": {"$in": late}}, fields=("_id",))}
        for key in late:
            if key not in known:
                report.breach("I15", f"payout/{key}", "its statement is payable, and there is no payout")
