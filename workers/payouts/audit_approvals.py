"""I16: what was sent is what enough other persons approved, to whom it may be sent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from contracts.payouts.digests import batch_digest
from contracts.payouts.rails import RAILS
from contracts.payouts.view import BATCHES, ENDED, PAYEES, PAYOUTS, UNDER_WAY, Batch, Line, Payee, Payout
from infra.auditing.audit import Read, Report, together
from workers.payouts.corridors import year_key
from workers.payouts.repository import to_batch, to_payee, to_payout

PAYEES_TOGETHER = 500


async def audit_approvals(read: Read, report: Report) -> None:
    """The batches; then, by payee, what was begun."""
    async for document in read.stream(BATCHES, report.among("payout-batch", "_id")):
        batch = to_batch(document)
        report.add("I16", "batches")
        for fault in _faults_of_batch(batch):
            report.breach("I16", f"payout-batch/{batch.batch_id}", fault)
    async for taken in together(read.stream(PAYEES, report.among("distributor", "_id", int)), PAYEES_TOGETHER):
        await _audit_payees(read, report, [to_payee(document) for document in taken])


async def _audit_payees(read: Read, report: Report, payees: Sequence[Payee]) -> None:
    begun: Counter[int] = Counter()
    sent: defaultdict[int, Counter[str]] = defaultdict(Counter)
    ids = [payee.distributor_id for payee in payees]
    where = {"distributor_id": {"$in": ids}, "state": {"$in": sorted(UNDER_WAY | ENDED)}}
    async for taken in together(read.stream(PAYOUTS, where), PAYEES_TOGETHER):
        payouts = [to_payout(document) for document in taken]
        batches = {payout.batch_id for payout in payouts if payout.batch_id is not None}
        found = await read.find(BATCHES, {"_id": {"$in": sorted(batches)}})
        approved = [batch for batch in map(to_batch, found) if batch.state == "approved"]
        lines = {line.payout_id: line for batch in approved for line in batch.lines}
        for payout in payouts:
            begun[payout.distributor_id] += len(payout.attempts)
            sent[payout.distributor_id].update(_sent_in_year(payout))
            for fault in _faults_of_sent(payout, lines):
                report.breach("I16", f"distributor/{payout.distributor_id}", f"{payout.payout_id} {fault}")
    for payee in payees:
        about = f"distributor/{payee.distributor_id}"
        count = begun[payee.distributor_id]
        report.require(payee.attempts == count, "I16", about, f"counts {payee.attempts} attempts, there are {count}")
        holds = (*payee.past_holds, *((replace(payee.hold, attempts_after=payee.attempts),) if payee.hold else ()))
        is_kept = all(hold.attempts == hold.attempts_after for hold in holds)
        report.require(is_kept, "I16", about, "something was begun while on hold")
        for fault in _faults_of_years(payee, sent[payee.distributor_id]):
            report.breach("I17", about, fault)


def _sent_in_year(payout: Payout) -> Mapping[str, int]:
    """What the payout counts in its year; nothing once it failed or came back."""
    if payout.plan is None or payout.started_at is None or not payout.attempts:
        return {}
    key = year_key(payout.plan, payout.attempts[0].method.country, payout.started_at)
    return {key: 0 if payout.state in ("failed", "returned") else payout.plan.amount_minor}


def _faults_of_years(payee: Payee, sent: Mapping[str, int]) -> Iterator[str]:
    """Only the year of the newest payout is kept."""
    newest = max((key.partition("/")[0] for key in sent), default="")
    due = {key: minor for key, minor in sent.items() if key.partition("/")[0] == newest}
    for key in sorted(due.keys() | payee.sent_in_year.keys()):
        known = payee.sent_in_year.get(key, 0)
        if known != due.get(key, 0):
            yield f"counts {known} sent in {key}, there are {due.get(key, 0)}"


def _faults_of_batch(batch: Batch) -> Iterator[str]:
    if batch_digest(batch.market, batch.lines) != batch.digest:
        yield "the lines are not those that the digest names"
    persons = {approval.by.casefold() for approval in batch.approved}
    if len(persons) < len(batch.approved) or batch.proposed_by.casefold() in persons:
        names = ", ".join(approval.by for approval in batch.approved)
        yield f"proposed by {batch.proposed_by}, approved by {names}"
    if batch.state == "approved" and len(persons) < batch.approvals:
        yield f"{len(persons)} of {batch.approvals} persons approved it"


def _faults_of_sent(payout: Payout, lines: Mapping[str, Line]) -> Iterator[str]:
    line = lines.get(payout.payout_id)
    if line is None or line.plan != payout.plan:
        yield "is sent, and is not a line of an approved batch"
        return
    plan, rail = line.plan, RAILS.get(line.plan.rail)
    if plan.conversion is None and plan.amount_minor + plan.left_minor != payout.payable_minor:
        yield "sends another amount than is payable"
    if rail is None or (rail.currencies is not None and plan.currency not in rail.currencies):
        yield f"goes by {plan.rail}, which does not send {plan.currency}"
    for attempt in payout.attempts:
        if (attempt.method.method_id, attempt.method.rail) != (plan.method_id, plan.rail):
            yield f"attempt {attempt.number} goes to another account than was approved"
