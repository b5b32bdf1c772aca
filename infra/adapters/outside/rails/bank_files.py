"""Files of banks: pain.002 (what became of our files) and camt.052, .053, .054 (what moved on our account).

A payment is recognised by its key, which is its EndToEndId, and by nothing else: what has none of our keys is listed
for a person, and never matched by its amount. The same entry has the same report id in whatever file it comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from contracts.payouts.v1 import ReportPayout
from infra.adapters.outside.rails.iso_codes import fault_of, standing_of
from infra.adapters.outside.rails.standing import Standing, Unreadable, amount_of, key_or_none, time_of, word_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

RAIL = "iso20022"
FILE_BYTES_MAX = 16 * 1024 * 1024
"""Some ten thousand entries; a larger statement is asked for in parts."""

_REFERENCE = re.compile(r"[A-Za-z0-9 ./:_-]{1,64}")


class BankFileRefused(Exception):
    """The file is not read. The text says why, and repeats nothing of the file."""


@dataclass(frozen=True, slots=True)
class Unmatched:
    """An entry that fits no payout, for a person to look at. `reason`: no_key, or reversal of something else."""

    reference: str
    direction: str
    amount: Decimal
    currency: str
    booked_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class BankFile:
    kind: str
    reports: tuple[ReportPayout, ...]
    unmatched: tuple[Unmatched, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """What a pain.002 says of one key."""

    key: str
    standing: Standing
    report_id: str
    at: datetime


def read_bank_file(content: bytes) -> BankFile:
    """Raises BankFileRefused."""
    try:
        root = _root(content)
        for body in root:
            if body.tag == "CstmrPmtStsRpt":
                statuses = tuple(_statuses(body))
                reports = [s.standing.report(s.key, RAIL, s.report_id, "file", s.at) for s in statuses]
                return BankFile("pain.002", tuple(reports), ())
            if part := _STATEMENTS.get(body.tag):
                return _statement(body, *part)
    except Unreadable as error:
        raise BankFileRefused(f"The file cannot be read: {error}.") from error
    raise BankFileRefused("The file is neither a pain.002 nor a camt.052, camt.053 or camt.054.")


def statuses_of(content: bytes) -> tuple[Status, ...]:
    """What an answer in the form of a pain.002 says. Raises Unreadable."""
    return tuple(status for body in _root(content) if body.tag == "CstmrPmtStsRpt" for status in _statuses(body))


def _root(content: bytes) -> Element:
    """The document without its namespaces: versions differ in what is not read here."""
    if len(content) > FILE_BYTES_MAX:
        raise Unreadable(f"it is larger than {FILE_BYTES_MAX // 1024 // 1024} MiB")
    try:
        root: Element = fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise Unreadable("it is not well-formed XML without a document type") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _statuses(report: Element) -> Iterator[Status]:
    """Of each payment; of a file or part that names none, by its own id, which in our files is the key."""
    message_id = _text(report, "GrpHdr/MsgId") or ""
    at = _time(report, "GrpHdr/CreDtTm")
    group = report.find("OrgnlGrpInfAndSts")
    parts = report.findall("OrgnlPmtInfAndSts")
    named = [("OrgnlEndToEndId", "TxSts", each) for part in parts for each in part.findall("TxInfAndSts")]
    named = named or [("OrgnlPmtInfId", "PmtInfSts", part) for part in parts if part.find("PmtInfSts") is not None]
    if not named and group is not None:
        named = [("OrgnlMsgId", "GrpSts", group)]
    for id_name, status_name, element in named:
        key, status = key_or_none(_text(element, id_name)), _text(element, status_name)
        if key is not None and status is not None:
            standing = standing_of(status, _text(element, "StsRsnInf/Rsn/Cd"))
            amount, currency = _amount(element, "OrgnlTxRef/Amt/InstdAmt")
            standing = Standing(
                standing.outcome,
                standing.code,
                standing.rail_code,
                _text(element, "AcctSvcrRef"),
                amount,
                currency,
            )
            yield Status(key, standing, f"{_short(message_id)}/{status}/{key}", at)


_STATEMENTS = {
    "BkToCstmrStmt": ("camt.053", "Stmt"),
    "BkToCstmrDbtCdtNtfctn": ("camt.054", "Ntfctn"),
    "BkToCstmrAcctRpt": ("camt.052", "Rpt"),
}


def _statement(body: Element, kind: str, part: str) -> BankFile:
    reports, unmatched = [], []
    for statement in body.findall(part):
        for entry in statement.findall("Ntry"):
            if (_text(entry, "Sts/Cd") or _text(entry, "Sts")) != "BOOK":
                continue
            details = entry.findall("NtryDtls/TxDtls")
            for number, detail in enumerate(details or [entry]):
                read = _movement(statement, entry, detail, number, is_only=len(details) <= 1)
                if isinstance(read, ReportPayout):
                    reports.append(read)
                elif read is not None:
                    unmatched.append(read)
    return BankFile(kind, tuple(reports), tuple(unmatched))


def _movement(
    statement: Element, entry: Element, detail: Element, number: int, *, is_only: bool
) -> ReportPayout | Unmatched | None:
    """A debit with our key is paid, a credit with it is its return; other credits are no business of payouts."""
    key = key_or_none(_text(detail, "Refs/EndToEndId"))
    direction = _text(detail, "CdtDbtInd") or _text(entry, "CdtDbtInd") or ""
    is_reversal = _text(entry, "RvslInd") in ("true", "1")
    returned = detail.find("RtrInf")
    at = _time(entry, "BookgDt/Dt", "BookgDt/DtTm") if entry.find("BookgDt") is not None else None
    at = at or _time(statement, "CreDtTm")
    amount, currency = _amount_of_movement(entry, detail, is_only=is_only)
    reference = _text(detail, "Refs/AcctSvcrRef") or _text(entry, "AcctSvcrRef")
    if key is None or (direction == "DBIT" and is_reversal):
        if direction == "CRDT" and returned is None:
            return None
        shown = reference or _text(entry, "NtryRef") or ""
        shown = shown if _REFERENCE.fullmatch(shown) else ""
        return Unmatched(shown, direction, amount, currency, at, "no_key" if key is None else "reversal")
    if reference is not None:
        report_id = f"{_short(reference)}/{direction}/{key}"
    else:
        position = _text(entry, "NtryRef") or str(number)
        fields = (_text(statement, "Id") or "", position, direction, key, str(amount), currency, at.isoformat())
        report_id = sha256("|".join(fields).encode()).hexdigest()
    if direction == "DBIT":
        standing = Standing("paid", "paid", "booked", reference, amount, currency)
    else:
        reason = _text(returned, "Rsn/Cd") if returned is not None else None
        fee = _charges(detail, currency)
        standing = Standing("returned", fault_of(reason), word_of(reason), reference, amount, currency, fee)
    return standing.report(key, RAIL, report_id, "file", at)


def _amount_of_movement(entry: Element, detail: Element, *, is_only: bool) -> tuple[Decimal, str]:
    """What was ordered, which a return or a conversion may differ from; else what was booked."""
    for path in ("AmtDtls/InstdAmt/Amt", "Amt", "AmtDtls/TxAmt/Amt"):
        amount, currency = _amount(detail, path)
        if amount is not None and currency is not None:
            return amount, currency
    amount, currency = _amount(entry, "Amt")
    if amount is None or currency is None or not is_only:
        raise Unreadable("an entry of it has no amount")
    return amount, currency


def _charges(detail: Element, currency: str) -> Decimal | None:
    """What banks kept of a return, if they say so in its currency."""
    charges, of = _amount(detail, "Chrgs/TtlChrgsAndTaxAmt")
    return charges if of == currency else None


def _amount(element: Element, path: str) -> tuple[Decimal | None, str | None]:
    found = element.find(path)
    return (None, None) if found is None else (amount_of(found.text), found.get("Ccy"))


def _text(element: Element, path: str) -> str | None:
    text = element.findtext(path)
    return text.strip() if text is not None and text.strip() else None


def _time(element: Element, *paths: str) -> datetime:
    for path in paths:
        if at := time_of(element.findtext(path)):
            return at
    raise Unreadable("a date of it is missing")


def _short(text: str) -> str:
    """An id of a bank, which has 35 characters by the standard."""
    return text if len(text) <= 35 else sha256(text.encode()).hexdigest()[:32]
