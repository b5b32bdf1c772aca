"""`tributary payees`: values are sealed here, before they are a command; nothing prints them.

Exit codes: 0 done, 1 unknown, refused or not handled yet, 2 wrong usage, 3 the environment does not allow it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from contracts.fields import Code, Currency, Reference
from contracts.network.view import DISTRIBUTORS
from contracts.payees.fields import CountryCode, RailName
from contracts.payees.v1 import AllowDuplicate, DecideIdentity, RemoveMethod, SetMethod, WaiveCoolingOff
from contracts.payees.view import PAYEES
from infra.adapters.mongo import MongoStore
from infra.adapters.os_user import os_user
from infra.adapters.vault import KeyVault
from infra.cli.actions.changing import DIGEST_CHARS_MIN, change, command_of, who
from infra.cli.actions.listing import minute, print_list, read_stored
from infra.cli.actions.rule_file import read_file
from infra.payees.accounts import GivenMethod, GivenRefused, sealed_method
from infra.payees.identities import GivenIdentity, Kind, TaxForm, sealed_identity
from infra.ports.store import Document
from infra.ports.time import RealTime
from infra.ports.vault import CannotOpen
from infra.rehearsal.stored_rules import opened
from infra.terminal.environment import (
    EXIT_BREACH,
    EXIT_ENVIRONMENT,
    EXIT_USAGE,
    one_sentence_on_failure,
    refuse,
    settings_for,
)
from infra.vault.master import MasterKeys
from infra.vault.repository import COLLECTION

T = TypeVar("T")
_SEALED = ("holder", "destination", "legal_name", "id_number", "tin")


class _MethodFile(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    rail: RailName
    currency: Currency
    country: CountryCode
    holder: str
    account: str
    bank_code: str | None = None


class _IdentityFile(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    kind: Kind
    legal_name: str
    id_type: Code
    id_number: str
    country: CountryCode
    tax_residence: CountryCode
    tax_form: TaxForm = "none"
    tin: str | None = None
    documents: Annotated[tuple[Reference, ...], Field(max_length=20)] = ()


class Deciding(NamedTuple):
    """A decision about an identity, as it was typed."""

    identity_id: str
    state: str
    reason: str | None
    approver: int | None


def show(distributor: int, stack: str, *, as_json: bool) -> None:
    async def read(store: MongoStore) -> list[Document]:
        found = await store.find(PAYEES, {"_id": distributor}, limit=1)
        return [{**one, **{name: _shown(one.get(name)) for name in ("method", "identity")}} for one in found]

    print_list(read_stored(stack, read), _line, f"Distributor {distributor} has set no method.", as_json)


def _shown(part: Document | None) -> Document | None:
    """Without the sealed values, which are long and closed to readers."""
    return {name: value for name, value in part.items() if name not in _SEALED} if part is not None else None


def _line(payee: Document) -> str:
    method, identity, duplicate = payee["method"], payee["identity"], payee.get("duplicate")
    parts = [f"{payee['_id']}  version {payee['version']}"]
    if method is None:
        parts.append("no method")
    else:
        parts.append(f"{method['rail']} in {method['currency']} to {method['hint']}, method {method['method_id']}")
        if method.get("failed"):
            parts.append(f"not used: {method['failed']}")
        if payee.get("usable_from"):
            parts.append(f"used from {minute(payee['usable_from'])}")
    if identity is not None:
        parts.append(f"identity {identity['identity_id']}: {identity['state']}")
    if duplicate is not None:
        parts.append(f"an account of another distributor waits for two persons: {duplicate['fingerprint']}")
    return "; ".join(parts)


def set_method(distributor: int, file: Path, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    given = GivenMethod(**read_file(file, _MethodFile).model_dump())
    method, fingerprint = _sealed(
        stack, distributor, lambda vault: sealed_method(vault, distributor, str(uuid4()), given)
    )
    fields = {"method": method, "fingerprint": fingerprint}
    _change(SetMethod, distributor, by, wait, stack, as_json, **fields)


def remove(distributor: int, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    _change(RemoveMethod, distributor, by, wait, stack, as_json)


def allow_duplicate(
    distributor: int,
    fingerprint: str,
    by: str | None,
    approver: int | None,
    wait: float,
    stack: str,
    *,
    as_json: bool,
) -> None:
    whole = _whole_fingerprint(distributor, fingerprint.strip().lower(), stack)
    fields = {"fingerprint": whole, "by_distributor_id": approver}
    _change(AllowDuplicate, distributor, by, wait, stack, as_json, **fields)


def waive(
    distributor: int, method_id: str, by: str | None, approver: int | None, wait: float, stack: str, *, as_json: bool
) -> None:
    fields = {"method_id": method_id, "by_distributor_id": approver}
    _change(WaiveCoolingOff, distributor, by, wait, stack, as_json, **fields)


def identity(distributor: int, file: Path, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    given = GivenIdentity(**read_file(file, _IdentityFile).model_dump())
    command = _sealed(
        stack,
        distributor,
        lambda vault: sealed_identity(vault, distributor, str(uuid4()), given, by=who(by), os_user=os_user()),
    )
    change(stack, command, wait, as_json, shows_fields=False)


def decide_identity(
    distributor: int, deciding: Deciding, by: str | None, wait: float, stack: str, *, as_json: bool
) -> None:
    fields = {
        "identity_id": deciding.identity_id,
        "state": deciding.state,
        "reason": deciding.reason,
        "by_distributor_id": deciding.approver,
    }
    _change(DecideIdentity, distributor, by, wait, stack, as_json, **fields)


def _change(
    payload: type[Any], distributor: int, by: str | None, wait: float, stack: str, as_json: bool, **fields: Any
) -> None:
    command = command_of(payload, distributor_id=distributor, by=who(by), **fields)
    change(stack, command, wait, as_json, shows_fields=False)


def _sealed(stack: str, distributor: int, seal: Callable[[KeyVault], Awaitable[T]]) -> T:
    async def run() -> T:
        settings = settings_for(stack)
        async with opened(settings) as store:
            if not await store.find(DISTRIBUTORS, {"_id": distributor}, limit=1, fields=("_id",)):
                refuse(f"There is no distributor {distributor}.", EXIT_BREACH)
            await store.prepare([COLLECTION])
            return await seal(KeyVault(store, MasterKeys(settings.master_key_file), RealTime()))

    with one_sentence_on_failure():
        try:
            return asyncio.run(run())
        except GivenRefused as error:
            refuse(f"refused: {error.reason}: {error.detail}", EXIT_BREACH)
        except CannotOpen as error:
            refuse(error.detail, EXIT_ENVIRONMENT)


def _whole_fingerprint(distributor: int, begin: str, stack: str) -> str:
    """The fingerprint of the account that was refused, which must begin as it was typed."""
    if len(begin) < DIGEST_CHARS_MIN:
        refuse(f"--fingerprint: give at least {DIGEST_CHARS_MIN} characters of what `payees show` prints.", EXIT_USAGE)
    if len(begin) == 64:
        return begin

    async def read(store: MongoStore) -> list[Document]:
        return await store.find(PAYEES, {"_id": distributor}, limit=1, fields=("duplicate",))

    known = [one["duplicate"]["fingerprint"] for one in read_stored(stack, read) if one.get("duplicate")]
    whole = next((one for one in known if one.startswith(begin)), None)
    if whole is None:
        refuse(f"No account of distributor {distributor} that begins so waits for two persons.", EXIT_BREACH)
    return str(whole)
