"""The published view of payees, owned by `payee_registry`. What says where money goes or who gets it is sealed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

PAYEES = "payee_registry.payees"
ACCOUNTS = "payee_registry.accounts"

APPROVALS = 2
"""Persons who must allow an account of several distributors, or a payout before the cooling-off ends."""

IdentityState = Literal["none", "pending", "verified", "rejected", "expired"]


@dataclass(frozen=True, slots=True)
class Method:
    """How a distributor is paid. `failed` is the fault that a rail found with the account."""

    method_id: str
    rail: str
    currency: str
    country: str
    holder: str = field(repr=False)
    destination: str = field(repr=False)
    hint: str
    bank_code: str | None
    set_by: str
    set_at: datetime
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a payee stated to be, and what another person decided about it."""

    identity_id: str
    kind: Literal["person", "company"]
    legal_name: str = field(repr=False)
    id_type: str
    id_number: str = field(repr=False)
    id_hint: str
    country: str
    tax_residence: str
    tax_form: Literal["none", "w9", "w8ben"]
    tin: str | None = field(repr=False)
    documents: tuple[str, ...]
    submitted_by: str
    submitted_at: datetime
    state: IdentityState = "pending"
    reason: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An account that was refused, as another distributor has it."""

    fingerprint: str
    refused_by: str
    refused_at: datetime


@dataclass(frozen=True, slots=True)
class Payee:
    """`fingerprint` is that of the last account, also after it was removed: another one replaces it. `waived_by` are
    those who let payouts go to it before `usable_from`. `duplicate` waits for two persons.
    """

    distributor_id: int
    version: int = 0
    method: Method | None = None
    fingerprint: str | None = None
    usable_from: datetime | None = None
    waived_by: tuple[str, ...] = ()
    duplicate: Duplicate | None = None
    identity: Identity | None = None

    @property
    def reason(self) -> str | None:
        """Why no payout can be sent, whatever the time is; None if it can."""
        if self.method is None:
            return "no_payout_method"
        return "method_failed" if self.method.failed is not None else None

    @property
    def identity_state(self) -> IdentityState:
        return self.identity.state if self.identity is not None else "none"


@dataclass(frozen=True, slots=True)
class Permit:
    """Who allowed that a distributor has an account that another one has too."""

    distributor_id: int
    requested_by: str
    approved_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """An account by its fingerprint: the distributors who have it, in the order in which they set it.

    Each change of a holder writes it, so that two distributors cannot take the same account at the same moment.
    """

    fingerprint: str
    holders: tuple[int, ...] = ()
    permits: tuple[Permit, ...] = ()

    def permit_of(self, distributor_id: int) -> Permit | None:
        return next((one for one in self.permits if one.distributor_id == distributor_id), None)
