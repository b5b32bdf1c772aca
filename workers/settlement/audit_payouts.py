"""I13 of payouts: accounts have what their postings give, and a conversion is posted in both currencies."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from contracts.settlement.arithmetic import tax_month_without
from contracts.settlement.kinds import PostingKind
from contracts.settlement.view import Account, Posting, Statement, TaxMonth
from infra.auditing.audit import Report
from infra.auditing.sums import Sums

_OF_ACCOUNTS = ("payable", "in_payout", "paid")
_CAME_BACK: tuple[PostingKind, ...] = ("failed", "returned")


def _sums() -> Sums[str]:
    return Sums([f"{source}_{name}" for source in ("stored", "posted") for name in _OF_ACCOUNTS])


@dataclass(slots=True)
class PayoutBooks:
    """What was read of payouts so far. `came_back` are those that came back, with their statements once these are read;
    `followed_by` those that came back while a statement was the last one of its account. `half` are conversions whose
    other posting was not read, with their distributor.
    """

    sums: Sums[str] = field(default_factory=_sums)
    came_back: dict[str, Statement | None] = field(default_factory=dict)
    followed_by: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    half: dict[str, int] = field(default_factory=dict)

    def add(self, posting: Posting) -> None:
        for name in _OF_ACCOUNTS:
            if name in posting.legs:
                self.sums.add(f"posted_{name}", posting.account, posting.legs[name])
        if posting.kind in _CAME_BACK and posting.follows is not None:
            self.came_back[posting.reference] = None
            self.followed_by[posting.follows].add(posting.reference)
        if "fx" in posting.legs and self.half.pop(posting.reference, None) is None:
            self.half[posting.reference] = posting.distributor_id

    def add_account(self, account: Account) -> None:
        stored = (account.payable_minor, account.in_payout_minor, account.paid_minor)
        for name, minor in zip(_OF_ACCOUNTS, stored, strict=True):
            self.sums.add(f"stored_{name}", account.key, minor)

    def tax_after(self, statement: Statement, tax: TaxMonth | None) -> TaxMonth | None:
        """The tax month on which the next statement of the account counts, from that after this one. Statements are
        given in the order of their numbers.
        """
        if statement.statement_id in self.came_back:
            self.came_back[statement.statement_id] = statement
        for payout in self.followed_by.get(statement.statement_id, ()):
            returned = self.came_back[payout]
            tax = tax_month_without(returned, tax) if returned is not None else tax
        return tax

    def audit(self, report: Report) -> None:
        """Once everything was read. What is negative is paid without having been payable, or twice."""
        for account, amounts in self.sums.items():
            about = f"distributor/{account.split('/')[1]}"
            for name in _OF_ACCOUNTS:
                stored, posted = amounts[f"stored_{name}"], amounts[f"posted_{name}"]
                detail = f"account {account} has {stored} {name}, its postings give {posted}"
                report.require(stored == posted, "I13", about, detail)
                report.require(posted >= 0, "I13", about, f"account {account} has {posted} {name}")
        for payout, distributor_id in sorted(self.half.items()):
            detail = f"payout {payout} is converted, and posted in one currency only"
            report.breach("I13", f"distributor/{distributor_id}", detail)


def names_its_payout(posting: Posting) -> bool:
    """Whether the id is that of a posting of the payout that it names, which is one of its market and distributor."""
    market, _, distributor_id, currency = (*posting.reference.split("/"), "", "", "")[:4]
    if (market, distributor_id) != (posting.statement.partition("/")[0], str(posting.distributor_id)):
        return False
    ends = ["fee", "return_fee"]
    if posting.kind != "fee":
        ends = [posting.kind if posting.currency == currency else f"{posting.kind}/sent_currency"]
    return posting.posting_id in [f"{posting.reference}/{end}" for end in ends]
