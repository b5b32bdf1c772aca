"""A payment as pain.001.001.09 is valid by the official schema, whatever a payee is called."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

import pytest
import xmlschema
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from infra.adapters.outside.rails.pain001 import NAMESPACE, Debtor, NotAnIban, pain001
from infra.ports.rails import Order

KEY = "0f8fad5bd9cb469fa16570867728950e"
AT = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
HOUSE = Debtor("Tributary House", "NL41MOCK0000000001", None)


@cache
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(files("sepaxml") / "schemas" / "pain.001.001.09.xsd"))


def an_order(**changed: Any) -> Order:
    fields: dict[str, Any] = {
        "payout_id": "default/2026-10/40021/EUR",
        "distributor_id": 40021,
        "amount_minor": 123456,
        "currency": "EUR",
        "country": "DE",
        "remittance": "Commission 2026-10",
        "holder": "Ann Example",
        "destination": "DE89 3704 0044 0532 0130 00",
    }
    return Order(**{**fields, **changed})


def text(document: bytes, name: str) -> str | None:
    return fromstring(document).findtext(f".//{{{NAMESPACE}}}{name}")


@pytest.mark.parametrize("bic", [None, "INGBNL2A", "INGBNL2AXXX"])
@pytest.mark.parametrize("bank_code", [None, "COBADEFF", "COBADEFFXXX", "12345678"])
def test_a_payment_is_valid_by_the_schema(bic: str | None, bank_code: str | None) -> None:
    written = pain001(an_order(bank_code=bank_code), KEY, Debtor("House", "NL41MOCK0000000001", bic), AT)
    schema().validate(written.decode())


def test_every_id_is_the_key_so_that_the_bank_recognises_a_repeat() -> None:
    written = pain001(an_order(), KEY, HOUSE, AT)
    assert {text(written, name) for name in ("MsgId", "PmtInfId", "EndToEndId")} == {KEY}
    assert (text(written, "InstdAmt"), text(written, "CtrlSum")) == ("1234.56", "1234.56")
    assert written == pain001(an_order(), KEY, HOUSE, AT)


@given(holder=st.text(max_size=200), remittance=st.text(max_size=200))
def test_any_text_of_a_payee_is_valid_or_cut(holder: str, remittance: str) -> None:
    written = pain001(an_order(holder=holder, remittance=remittance), KEY, HOUSE, AT)
    schema().validate(written.decode())
    assert len(text(written, f"Cdtr/{{{NAMESPACE}}}Nm") or "") <= 70


def test_a_name_cannot_write_elements() -> None:
    written = pain001(an_order(holder="Ann</Nm><Nm>Bob & <!--"), KEY, HOUSE, AT)
    schema().validate(written.decode())
    assert b"<Nm>Bob" not in written


@pytest.mark.parametrize("destination", ["", "ann@example.com", "DE89", "DE8937040044053201300012345678901234567"])
def test_what_is_no_iban_is_not_sent(destination: str) -> None:
    with pytest.raises(NotAnIban):
        pain001(an_order(destination=destination), KEY, HOUSE, AT)


def test_an_order_shows_neither_holder_nor_destination() -> None:
    shown = repr(an_order())
    assert "Ann" not in shown
    assert "DE89" not in shown
