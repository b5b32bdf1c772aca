"""Id and tax numbers: checked by the rules of their issuers, and written in one form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, ModuleType
from typing import Literal

from stdnum.cn import ric, uscc
from stdnum.eu import vat
from stdnum.exceptions import ValidationError
from stdnum.us import ein, ssn, tin

from contracts.fields import is_visible_name
from contracts.payees.v1 import SubmitIdentity
from infra.payees.accounts import NAME_MAX, GivenRefused, hint_of
from infra.ports.vault import Vault

Kind = Literal["person", "company"]
TaxForm = Literal["none", "w9", "w8ben"]

CHECKED: Mapping[str, ModuleType] = MappingProxyType(
    {"cn_ric": ric, "cn_uscc": uscc, "us_ssn": ssn, "us_ein": ein, "eu_vat": vat}
)
"""Numbers with rules that are checked; any other type takes letters, digits and hyphens."""

_NUMBER = re.compile(r"[A-Z0-9-]{4,32}")


@dataclass(frozen=True, slots=True)
class GivenIdentity:
    """Who a payee is, as it was given."""

    kind: Kind
    legal_name: str = field(repr=False)
    id_type: str
    id_number: str = field(repr=False)
    country: str
    tax_residence: str
    tax_form: TaxForm = "none"
    tin: str | None = field(default=None, repr=False)
    documents: tuple[str, ...] = ()


async def sealed_identity(
    vault: Vault, distributor_id: int, identity_id: str, given: GivenIdentity, *, by: str, os_user: str | None = None
) -> SubmitIdentity:
    """The command with everything sealed. Raises GivenRefused, CannotOpen."""
    given = checked(given)
    return SubmitIdentity(
        distributor_id=distributor_id,
        identity_id=identity_id,
        kind=given.kind,
        legal_name=await vault.seal("legal_name", distributor_id, given.legal_name),
        id_type=given.id_type,
        id_number=await vault.seal("id_number", distributor_id, given.id_number),
        id_hint=hint_of(given.id_number),
        country=given.country,
        tax_residence=given.tax_residence,
        tax_form=given.tax_form,
        tin=await vault.seal("tin", distributor_id, given.tin) if given.tin is not None else None,
        documents=given.documents,
        by=by,
        os_user=os_user,
    )


def checked(given: GivenIdentity) -> GivenIdentity:
    """The same in one form. Raises GivenRefused."""
    name = " ".join(given.legal_name.split())
    if not name or len(name) > NAME_MAX or not is_visible_name(name):
        raise GivenRefused("identity_invalid", f"legal_name: give it in 1 to {NAME_MAX} characters.")
    number = _valid("id_number", given.id_number, CHECKED.get(given.id_type))
    if given.tax_form == "w9" and given.tin is None:
        raise GivenRefused("identity_invalid", "tin: a W-9 states a tax number; give it.")
    given_tin = given.tin
    if given_tin is not None:
        given_tin = _valid("tin", given_tin, tin if given.tax_form == "w9" else None)
    return GivenIdentity(
        given.kind,
        name,
        given.id_type,
        number,
        given.country,
        given.tax_residence,
        given.tax_form,
        given_tin,
        given.documents,
    )


def _valid(name: str, text: str, rules: ModuleType | None) -> str:
    if rules is None:
        plain = re.sub(r"[ ./]", "", text).upper()
        if not _NUMBER.fullmatch(plain):
            raise GivenRefused("identity_invalid", f"{name}: give 4 to 32 letters, digits and hyphens.")
        return plain
    try:
        number: str = rules.validate(text)
    except ValidationError:
        raise GivenRefused("identity_invalid", f"{name}: this is no such number; check its digits.") from None
    return number
