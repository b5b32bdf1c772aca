"""One payment as a file pain.001.001.09. Each of its ids is the key: a bank that gets it again calls it a duplicate.

Banks also compare the numbers and sums of a file with its payments, so there is one of each.
"""

from __future__ import annotations

import re
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from infra.ports.rails import Order

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
NAME_MAX = 70
REMITTANCE_MAX = 140
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{8,30}")
_BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?")
_NOT_IN_XML = re.compile(r"[^\t\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


class NotAnIban(Exception):
    """The destination has not the form of an IBAN."""


class Debtor:
    """The account that is debited."""

    def __init__(self, name: str, iban: str, bic: str | None) -> None:
        self.name = name
        self.iban = iban
        self.bic = bic


def pain001(order: Order, key: str, debtor: Debtor, at: datetime) -> bytes:
    """Raises NotAnIban."""
    document = Element("Document", xmlns=NAMESPACE)
    initiation = SubElement(document, "CstmrCdtTrfInitn")
    header = _with(initiation, "GrpHdr", MsgId=key, CreDtTm=at.strftime("%Y-%m-%dT%H:%M:%SZ"), NbOfTxs="1")
    _with(header, CtrlSum=str(order.amount))
    _with(SubElement(header, "InitgPty"), Nm=debtor.name)
    payment = _with(initiation, "PmtInf", PmtInfId=key, PmtMtd="TRF", NbOfTxs="1", CtrlSum=str(order.amount))
    _with(_path(payment, "PmtTpInf", "SvcLvl"), Cd="SEPA")
    _with(SubElement(payment, "ReqdExctnDt"), Dt=at.date().isoformat())
    _with(SubElement(payment, "Dbtr"), Nm=debtor.name)
    _with(_path(payment, "DbtrAcct", "Id"), IBAN=debtor.iban)
    _agent(payment, "DbtrAgt", debtor.bic)
    _with(payment, ChrgBr="SLEV")
    _transfer(SubElement(payment, "CdtTrfTxInf"), order, key)
    return bytes(tostring(document, encoding="utf-8", xml_declaration=True))


def _transfer(transfer: Element, order: Order, key: str) -> None:
    iban = re.sub(r"\s", "", order.destination).upper()
    if not _IBAN.fullmatch(iban):
        raise NotAnIban
    _with(SubElement(transfer, "PmtId"), EndToEndId=key)
    amount = SubElement(SubElement(transfer, "Amt"), "InstdAmt", Ccy=order.currency)
    amount.text = str(order.amount)
    if order.bank_code and _BIC.fullmatch(order.bank_code):
        _agent(transfer, "CdtrAgt", order.bank_code)
    _with(SubElement(transfer, "Cdtr"), Nm=_text(order.holder, NAME_MAX) or "NOTPROVIDED")
    _with(_path(transfer, "CdtrAcct", "Id"), IBAN=iban)
    if remittance := _text(order.remittance, REMITTANCE_MAX):
        _with(SubElement(transfer, "RmtInf"), Ustrd=remittance)


def _agent(parent: Element, name: str, bic: str | None) -> None:
    institution = _path(parent, name, "FinInstnId")
    if bic is None:
        _with(SubElement(institution, "Othr"), Id="NOTPROVIDED")
    else:
        _with(institution, BICFI=bic)


def _with(parent: Element, name: str | None = None, **texts: str) -> Element:
    """The parent, or a new child of this name, with children of these texts in this order."""
    element = parent if name is None else SubElement(parent, name)
    for tag, text in texts.items():
        SubElement(element, tag).text = text
    return element


def _path(parent: Element, *names: str) -> Element:
    for name in names:
        parent = SubElement(parent, name)
    return parent


def _text(text: str, length_max: int) -> str:
    return " ".join(_NOT_IN_XML.sub(" ", text).split())[:length_max].strip()
