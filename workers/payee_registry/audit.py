"""I15: what is to be sealed is sealed; accounts and payees agree; what takes other persons has their approvals."""

from __future__ import annotations

import re
from collections.abc import Iterator

from contracts.payees.view import ACCOUNTS, APPROVALS, PAYEES, Account, Payee
from infra.auditing.audit import Read, Report, together
from workers.payee_registry.repository import to_account, to_payee

_SEALED = re.compile(r"sealed-2:[A-Za-z0-9._-]{1,64}:[A-Za-z0-9+/]+={0,2}")
"""Independent of the contract's pattern on purpose."""


async def audit(read: Read, report: Report) -> None:
    async for taken in together(read.stream(PAYEES, report.among("distributor", "_id", int))):
        payees = [to_payee(document) for document in taken]
        fingerprints = sorted({payee.fingerprint for payee in payees if payee.fingerprint is not None})
        found = await read.find(ACCOUNTS, {"_id": {"$in": fingerprints}})
        accounts = {account.fingerprint: account for account in map(to_account, found)}
        for payee in payees:
            report.add("I15", "payees")
            for fault in (
                *_unsealed(payee),
                *_undecided(payee),
                *_unheld(payee, accounts.get(payee.fingerprint or "")),
            ):
                report.breach("I15", f"distributor/{payee.distributor_id}", fault)
    async for document in read.stream(ACCOUNTS, report.among("account", "_id")):
        account = to_account(document)
        report.add("I15", "accounts")
        for fault in _unallowed(account):
            report.breach("I15", f"account/{account.fingerprint}", fault)


def _unsealed(payee: Payee) -> Iterator[str]:
    method, identity = payee.method, payee.identity
    values = {
        **({"holder": method.holder, "destination": method.destination} if method else {}),
        **({"legal_name": identity.legal_name, "id_number": identity.id_number} if identity else {}),
        **({"tin": identity.tin} if identity and identity.tin is not None else {}),
    }
    for name, value in values.items():
        if not _SEALED.fullmatch(value):
            yield f"{name} is not sealed"


def _undecided(payee: Payee) -> Iterator[str]:
    identity, method = payee.identity, payee.method
    is_decided = identity is not None and identity.state != "pending"
    if identity and is_decided and not _are_others((identity.decided_by or "",), identity.submitted_by):
        yield f"its identity was submitted by {identity.submitted_by} and decided by {identity.decided_by}"
    if method is not None and payee.waived_by and not _are_others(payee.waived_by, method.set_by):
        yield f"its method was set by {method.set_by}, its cooling-off waived by {', '.join(payee.waived_by)}"
    if payee.version < (method is not None) + (identity is not None):
        yield f"version {payee.version} is less than its changes"


def _unheld(payee: Payee, account: Account | None) -> Iterator[str]:
    holds = account is not None and payee.distributor_id in account.holders
    if holds != (payee.method is not None):
        yield f"it has {'a' if payee.method else 'no'} method, and its account states otherwise"


def _unallowed(account: Account) -> Iterator[str]:
    allowed = {
        permit.distributor_id
        for permit in account.permits
        if len(permit.approved_by) >= APPROVALS and _are_others(permit.approved_by, permit.requested_by)
    }
    alone = [holder for holder in account.holders if holder not in allowed]
    if len(alone) > 1:
        yield f"distributors {', '.join(map(str, alone))} have it, and two persons did not allow it"
    if len(set(account.holders)) != len(account.holders):
        yield "a distributor is named twice"


def _are_others(approvers: tuple[str, ...], beginner: str) -> bool:
    """Whether they are different persons, and none of them began it."""
    persons = {name.casefold() for name in approvers}
    return all(approvers) and len(persons) == len(approvers) and beginner.casefold() not in persons
