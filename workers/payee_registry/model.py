"""The payee and the accounts of one message. Its entities are the published view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from contracts.payees.view import Account, Payee


@dataclass(frozen=True, slots=True)
class State:
    """The payee that a message is about, with the account that it has and the one that is named, if they exist."""

    payees: Mapping[int, Payee] = field(default_factory=dict)
    accounts: Mapping[str, Account] = field(default_factory=dict)

    def payee(self, distributor_id: int) -> Payee:
        return self.payees.get(distributor_id) or Payee(distributor_id)

    def account(self, fingerprint: str) -> Account:
        return self.accounts.get(fingerprint) or Account(fingerprint)

    def with_payee(self, payee: Payee) -> Self:
        return replace(self, payees={**self.payees, payee.distributor_id: payee})

    def with_account(self, account: Account) -> Self:
        return replace(self, accounts={**self.accounts, account.fingerprint: account})

    def held(self, fingerprint: str, distributor_id: int) -> Self:
        """The distributor has this account."""
        account = self.account(fingerprint)
        if distributor_id in account.holders:
            return self
        return self.with_account(replace(account, holders=(*account.holders, distributor_id)))

    def released(self, fingerprint: str | None, distributor_id: int) -> Self:
        """The distributor does not have this account any more."""
        account = self.accounts.get(fingerprint) if fingerprint is not None else None
        if account is None or distributor_id not in account.holders:
            return self
        others = tuple(holder for holder in account.holders if holder != distributor_id)
        return self.with_account(replace(account, holders=others))
