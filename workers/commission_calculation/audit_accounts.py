"""I3: every posting balances; ledger, commissions and balances agree in every account, and so do booked months."""

from __future__ import annotations

from collections import Counter

from contracts.commissions.earnings import EARNINGS, FIGURES, Bookings, in_any_month
from contracts.commissions.view import BALANCES, COMMISSIONS, LEDGER, AccountKey, Posting, balance_of_stripe
from contracts.plans.recomputed import booked_by
from infra.auditing.audit import Read, Report
from infra.auditing.sums import Sums
from workers.commission_calculation.repository import to_commission, to_posting

_EARNERS = ("distributor_id", "legs.distributor_id", "entries.distributor_id")


async def audit_accounts(read: Read, report: Report) -> None:
    """Sum every account from the balances, the ledger and the commissions; and the bookings by month."""
    sums: Sums[AccountKey] = Sums(("ledger", "entries", "balance"))
    bookings = Bookings()
    is_whole = report.looks_at("platform")
    where = {path: {} if is_whole else report.among("distributor", path, int) for path in _EARNERS}
    async for document in read.stream(BALANCES, where["distributor_id"]):
        for account, amount in balance_of_stripe(document).items():
            sums.add("balance", account, amount)
    report.figure("I3", "accounts", len(sums))
    async for document in read.stream(LEDGER, where["legs.distributor_id"]):
        posting = to_posting(document)
        bookings.post(posting)
        for leg in posting.legs:
            sums.add("ledger", (leg.distributor_id, posting.currency, leg.account), leg.amount_minor)
        if report.only is None:
            _audit_posting(report, posting)
    if report.only is not None:
        async for document in read.stream(LEDGER, report.among("order", "key")):
            _audit_posting(report, to_posting(document))
    async for document in read.stream(COMMISSIONS, where["entries.distributor_id"]):
        for account, amount in booked_by(to_commission(document)):
            sums.add("entries", account, amount)
    months = [{}] if is_whole else [in_any_month(int(earner)) for earner in report.ids("distributor") or ()]
    for of_one in months:
        async for document in read.stream(EARNINGS, of_one, fields=FIGURES):
            bookings.store(document)
    for earner, fault in bookings.faults():
        report.breach("I3", f"distributor/{earner}", fault)
    platform: Counter[str] = Counter()
    for (distributor_id, currency, name), amounts in sums.items():
        if len(set(amounts.values())) > 1:
            about = f"distributor/{distributor_id}" if distributor_id else "platform"
            report.breach("I3", about, f"{name} sums in {currency} differ: {amounts}")
        if name == "available" and amounts["ledger"] < 0:
            report.add("I3", "accounts_negative")
        if name in ("pool", "breakage"):
            platform[f"{name}_minor_{currency}"] += amounts["ledger"]
    for figure, amount in sorted(platform.items()):
        report.figure("I3", figure, amount)


def _audit_posting(report: Report, posting: Posting) -> None:
    report.add("I3", "postings")
    if amount := sum([leg.amount_minor for leg in posting.legs]):
        report.breach("I3", f"order/{posting.key}", f"posting {posting.posting_id} is off by {amount}")
