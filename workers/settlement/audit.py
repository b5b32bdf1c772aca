"""I12: what commissions and rewards hand over is booked here, once."""

from __future__ import annotations

from contracts.commissions.view import BALANCES as COMMISSION_BALANCES
from contracts.commissions.view import balance_of_stripe
from contracts.rewards.view import PROGRESS
from contracts.rules.view import RULES
from contracts.settlement.view import BALANCES
from infra.auditing.audit import Read, Report
from infra.auditing.sums import Sums
from infra.ports.store import Document

Owner = tuple[int, str]
"""A distributor and a currency."""

_SUMS = ("released", "booked_commissions", "rewarded", "booked_rewards")


async def audit_hand_over(read: Read, report: Report) -> None:
    """By distributor and currency: the available commissions and rewards, and what was booked of both."""
    sums: Sums[Owner] = Sums(_SUMS)
    where = report.among("distributor", "distributor_id", int)
    async for document in read.stream(COMMISSION_BALANCES, where):
        for (distributor_id, currency, account), amount in balance_of_stripe(document).items():
            if account == "available":
                sums.add("released", (distributor_id, currency), amount)
    bonuses = {document["_id"]: _bonuses(document) for document in await read.find(RULES, {})}
    async for document in read.stream(PROGRESS, where):
        owner = (document["distributor_id"], document["currency"])
        sums.add("rewarded", owner, _available_minor(document, bonuses.get(document["rule_version"], {})))
    async for document in read.stream(BALANCES, where):
        owner = (document["distributor_id"], document["currency"])
        sums.add("booked_commissions", owner, -document.get("in_commissions_minor", 0))
        sums.add("booked_rewards", owner, -document.get("in_rewards_minor", 0))
    report.figure("I12", "distributors", len(sums))
    for (distributor_id, currency), amounts in sums.items():
        about = f"distributor/{distributor_id}"
        for owed, booked in (("released", "booked_commissions"), ("rewarded", "booked_rewards")):
            report.require(
                amounts[owed] == amounts[booked],
                "I12",
                about,
                f"{amounts[owed]} {owed} in {currency}, but {amounts[booked]} booked by settlement",
            )


def _bonuses(rules: Document) -> dict[tuple[str, str], int]:
    return {(target["reward"], target["currency"]): target["bonus_minor"] for target in rules["terms"]["targets"]}


def _available_minor(progress: Document, bonuses: dict[tuple[str, str], int]) -> int:
    """What the rewards of a month are worth that are not held; those granted by earlier releases have the bonus of
    their rules.
    """
    amounts = progress.get("amounts_minor", {})
    currency = progress["currency"]
    available = (code for code in progress["granted"] if code not in progress.get("held", ()))
    return sum(int(amounts.get(code, bonuses.get((code, currency), 0))) for code in available)
