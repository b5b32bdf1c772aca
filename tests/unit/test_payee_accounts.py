"""What a payee gives is checked before it is sealed, and people see its last characters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.payees import accounts, identities
from infra.payees.accounts import GivenMethod, GivenRefused, hint_of
from infra.payees.identities import GivenIdentity

IBAN = GivenMethod("iso20022", "EUR", "DE", "Ann  Weber", "de89 3704 0044 0532 0130 00", "COBADEFF")
PERSON = GivenIdentity("person", "Li Na", "cn_ric", "11010519491231002X", "CN", "CN")


def refused(method: GivenMethod) -> str:
    with pytest.raises(GivenRefused) as error:
        accounts.checked(method)
    assert method.account not in error.value.detail
    return error.value.detail.partition(":")[0]


def test_an_iban_has_one_form() -> None:
    found = accounts.checked(IBAN)

    assert (found.account, found.holder, found.bank_code) == ("DE89370400440532013000", "Ann Weber", "COBADEFF")
    assert accounts.checked(replace(IBAN, rail="manual", currency="CNY")).account == found.account


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"account": "DE89370400440532013001"}, "account"),
        ({"account": "370400440532013000"}, "account"),
        ({"country": "FR"}, "country"),
        ({"currency": "CNY"}, "currency"),
        ({"rail": "pigeon"}, "rail"),
        ({"holder": " "}, "holder"),
        ({"holder": "a\u202eb"}, "holder"),
        ({"bank_code": "COBA"}, "bank_code"),
        ({"rail": "paypal", "account": "ann.example.com"}, "account"),
        ({"rail": "wechat_pay", "currency": "CNY", "account": "o Up"}, "account"),
        ({"rail": "manual", "account": "DE89370400440532013001"}, "account"),
        ({"rail": "manual", "account": "??????"}, "account"),
    ],
)
def test_a_wrong_account_names_its_field_and_not_its_value(fields: dict[str, Any], where: str) -> None:
    assert refused(replace(IBAN, **fields)) == where


def test_accounts_of_other_rails() -> None:
    paypal = accounts.checked(replace(IBAN, rail="paypal", account="Ann.Weber@Example.com", bank_code=None))
    assert paypal.account == "ann.weber@example.com"
    openid = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
    assert accounts.checked(replace(IBAN, rail="wechat_pay", currency="CNY", account=openid)).account == openid
    plain = replace(IBAN, rail="manual", currency="CNY", country="CN", account="6222 0000 1111 2222")
    assert accounts.checked(plain).account == "6222000011112222"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("DE89370400440532013000", "•••• 3000"),
        ("ann.weber@example.com", "•••• ber@…"),
        ("12345", "•••• 5"),
        ("a@b.de", "••••@…"),
    ],
)
def test_people_see_the_last_characters(text: str, hint: str) -> None:
    assert hint_of(text) == hint


@given(st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=64))
def test_a_hint_is_a_third_at_most(text: str) -> None:
    assert len(hint_of(text).removeprefix("••••").strip()) <= len(text) / 3


def test_an_id_number_is_checked_by_its_type() -> None:
    assert identities.checked(PERSON).id_number == "11010519491231002X"
    assert identities.checked(replace(PERSON, id_type="passport", id_number="g 1234.5678")).id_number == "G12345678"
    w9 = identities.checked(replace(PERSON, tax_form="w9", tin="536-90-4399"))
    assert w9.tin == "536904399"
    assert identities.checked(replace(PERSON, tin="FR 123")).tin == "FR123"


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"id_number": "110105194912310021"}, "id_number"),
        ({"id_type": "passport", "id_number": "?"}, "id_number"),
        ({"legal_name": ""}, "legal_name"),
        ({"tax_form": "w9"}, "tin"),
        ({"tax_form": "w9", "tin": "12"}, "tin"),
    ],
)
def test_a_wrong_identity_names_its_field(fields: dict[str, Any], where: str) -> None:
    with pytest.raises(GivenRefused) as error:
        identities.checked(replace(PERSON, **fields))
    assert error.value.detail.partition(":")[0] == where
