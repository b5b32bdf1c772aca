"""Accounts that rails send to: checked, written in one form, and shown by their last characters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from stdnum import bic as bics
from stdnum import iban as ibans
from stdnum.exceptions import ValidationError

from contracts.fields import is_visible_name
from contracts.payees.fields import PayoutMethod
from contracts.payouts.rails import RAILS
from infra.ports.vault import Seals

ACCOUNT_MAX = 320
NAME_MAX = 140
"""Characters of the name on an account, as in ISO 20022."""

_SHOWN_MAX = 4
_IBAN_LIKE = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_EMAIL = re.compile(r"[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_OPENID = re.compile(r"[A-Za-z0-9_-]{16,64}")
_NUMBER = re.compile(r"[A-Z0-9-]{4,64}")


class GivenRefused(Exception):
    """What a person gave cannot be used. The text names the field and never repeats its value."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class GivenMethod:
    """How a payee wants to be paid, as it was given."""

    rail: str
    currency: str
    country: str
    holder: str = field(repr=False)
    account: str = field(repr=False)
    bank_code: str | None = None


def hint_of(text: str) -> str:
    """What people may see: the last characters, never more than a third of them."""
    plain = text.partition("@")[0]
    shown = min(_SHOWN_MAX, len(plain) // 3)
    return f"•••• {plain[len(plain) - shown :]}".rstrip() + ("@…" if "@" in text else "")


async def sealed_method(
    vault: Seals, distributor_id: int, method_id: str, given: GivenMethod
) -> tuple[PayoutMethod, str]:
    """The method with name and account sealed, and the fingerprint of the account. Raises GivenRefused, CannotOpen."""
    given = checked(given)
    method = PayoutMethod(
        method_id=method_id,
        rail=given.rail,
        currency=given.currency,
        country=given.country,
        holder=await vault.seal("holder", distributor_id, given.holder),
        destination=await vault.seal("destination", distributor_id, given.account),
        hint=hint_of(given.account),
        bank_code=given.bank_code,
    )
    return method, await vault.fingerprint(given.account)


def checked(given: GivenMethod) -> GivenMethod:
    """The same in one form, so that one account has one fingerprint. Raises GivenRefused."""
    rail = RAILS.get(given.rail)
    if rail is None:
        raise GivenRefused("unknown_rail", f"rail: there is no rail {given.rail}; there are {', '.join(RAILS)}.")
    if rail.currencies is not None and given.currency not in rail.currencies:
        sent = ", ".join(sorted(rail.currencies))
        raise GivenRefused("currency_not_supported", f"currency: {rail.name} sends {sent}; choose another rail.")
    holder = " ".join(given.holder.split())
    if not holder or len(holder) > NAME_MAX or not is_visible_name(holder):
        raise GivenRefused("account_invalid", f"holder: give the name on the account, in 1 to {NAME_MAX} characters.")
    account = _FORMS.get(rail.name, _any_account)(given.account.strip())
    if _is_iban(account) and account[:2] != given.country:
        raise GivenRefused("account_invalid", "country: it is not the country of the IBAN.")
    return GivenMethod(rail.name, given.currency, given.country, holder, account, _bank_code(given.bank_code))


def _bank_code(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        code: str = bics.validate(text)
    except ValidationError:
        raise GivenRefused("account_invalid", "bank_code: this is no BIC; it has 8 or 11 characters.") from None
    return code


def _is_iban(text: str) -> bool:
    return _IBAN_LIKE.fullmatch(text) is not None and ibans.is_valid(text)


def _iban(text: str) -> str:
    try:
        number: str = ibans.validate(text.upper())
    except ValidationError:
        detail = "account: this is no IBAN; check its length and digits, as one of them may be mistyped."
        raise GivenRefused("account_invalid", detail) from None
    return number


def _email(text: str) -> str:
    if not _EMAIL.fullmatch(text) or len(text) > ACCOUNT_MAX:
        raise GivenRefused("account_invalid", "account: give the e-mail address of the account.")
    return text.lower()


def _openid(text: str) -> str:
    if not _OPENID.fullmatch(text):
        raise GivenRefused("account_invalid", "account: give the openid of the payee, 16 to 64 letters and digits.")
    return text


def _any_account(text: str) -> str:
    """An IBAN, or an account number of a country without IBANs."""
    plain = re.sub(r"[ .]", "", text).upper()
    if not _NUMBER.fullmatch(plain):
        detail = "account: give an account number of 4 to 64 letters, digits and hyphens."
        raise GivenRefused("account_invalid", detail)
    return _iban(plain) if plain[:2].isalpha() and _IBAN_LIKE.fullmatch(plain) else plain


_FORMS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {"iso20022": _iban, "paypal": _email, "wechat_pay": _openid}
)
"""By rail; all others take an account number."""
