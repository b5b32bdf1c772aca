"""Files of banks: what counts, what is listed for a person, and that nothing is guessed or counted twice."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from contracts.payouts.faults import FAULTS
from infra.adapters.outside.rails.bank_files import FILE_BYTES_MAX, BankFileRefused, read_bank_file
from infra.adapters.outside.rails.iso_codes import DUPLICATES
from infra.adapters.outside.rails.iso_codes import FAULTS as CODES

KEY, OTHER, THIRD = "0f8fad5bd9cb469fa16570867728950e", "1" * 32, "2" * 32
AT = datetime(2026, 11, 30, tzinfo=UTC)


def pain002(transactions: str = "", group: str = "", part: str = "", message_id: str = "P-1") -> bytes:
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>'
        f"<GrpHdr><MsgId>{message_id}</MsgId><CreDtTm>2026-11-30T00:00:00Z</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{KEY}</OrgnlMsgId>{group}</OrgnlGrpInfAndSts>"
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{KEY}</OrgnlPmtInfId>{part}{transactions}</OrgnlPmtInfAndSts>"
        "</CstmrPmtStsRpt></Document>"
    ).encode()


def status(key: str, code: str, reason: str = "") -> str:
    why = f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf>" if reason else ""
    return f"<TxInfAndSts><OrgnlEndToEndId>{key}</OrgnlEndToEndId><TxSts>{code}</TxSts>{why}</TxInfAndSts>"


def entry(
    key: str | None = KEY,
    direction: str = "DBIT",
    *,
    amount: str = "12.50",
    state: str = "<Sts><Cd>BOOK</Cd></Sts>",
    reference: str = "<AcctSvcrRef>REF-1</AcctSvcrRef>",
    details: str = "",
    reason: str = "",
    reversal: str = "",
) -> str:
    end_to_end = f"<EndToEndId>{key}</EndToEndId>" if key else ""
    back = f"<RtrInf><Rsn><Cd>{reason}</Cd></Rsn></RtrInf>" if reason else ""
    details = details or f"<TxDtls><Refs>{end_to_end}</Refs>{back}</TxDtls>"
    return (
        f'<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd>{reversal}{state}'
        f"<BookgDt><Dt>2026-11-30</Dt></BookgDt>{reference}<NtryDtls>{details}</NtryDtls></Ntry>"
    )


def camt(*entries: str, kind: str = "BkToCstmrStmt", part: str = "Stmt", version: str = "053.001.08") -> bytes:
    return (
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.{version}"><{kind}><GrpHdr/>'
        f"<{part}><Id>S-1</Id><CreDtTm>2026-12-01T00:00:00Z</CreDtTm>{''.join(entries)}</{part}></{kind}></Document>"
    ).encode()


def words(content: bytes) -> list[tuple[str, str, str]]:
    return [(report.key, report.outcome, report.code) for report in read_bank_file(content).reports]


def test_edge_17_a_file_that_is_partly_rejected_has_a_report_for_each_payment() -> None:
    content = pain002(
        status(KEY, "ACSP") + status(OTHER, "RJCT", "AC04") + status(THIRD, "ACSC"), "<GrpSts>PART</GrpSts>"
    )
    assert words(content) == [
        (KEY, "accepted", "accepted"),
        (OTHER, "failed", "account_closed"),
        (THIRD, "paid", "paid"),
    ]


def test_a_file_that_is_rejected_as_a_whole_is_the_payment_that_it_holds() -> None:
    group = "<GrpSts>RJCT</GrpSts><StsRsnInf><Rsn><Cd>FF01</Cd></Rsn></StsRsnInf>"
    assert words(pain002(group=group)) == [(KEY, "failed", "invalid_order")]
    part = "<PmtInfSts>RJCT</PmtInfSts><StsRsnInf><Rsn><Cd>AM04</Cd></Rsn></StsRsnInf>"
    assert words(pain002(part=part)) == [(KEY, "failed", "insufficient_funds")]


@pytest.mark.parametrize("reason", sorted(DUPLICATES))
def test_a_rejected_duplicate_does_not_fail_the_payment_that_came_first(reason: str) -> None:
    assert words(pain002(status(KEY, "RJCT", reason))) == [(KEY, "accepted", "accepted")]


@pytest.mark.parametrize(
    ("code", "reason", "outcome", "own"),
    [
        ("RJCT", "ZZ99", "failed", "unexplained"),
        ("RJCT", "", "failed", "unexplained"),
        ("CANC", "", "failed", "cancelled"),
        ("WHAT", "", "unknown", "unexplained"),
    ],
)
def test_codes_without_a_known_meaning_are_unexplained(code: str, reason: str, outcome: str, own: str) -> None:
    assert words(pain002(status(KEY, code, reason))) == [(KEY, outcome, own)]


def test_every_code_of_the_table_is_one_of_our_faults() -> None:
    assert {*CODES.values()} <= FAULTS


@pytest.mark.parametrize("version", ["053.001.02", "053.001.08", "053.001.13"])
def test_a_booked_debit_is_paid(version: str) -> None:
    state = "<Sts>BOOK</Sts>" if version.endswith("02") else "<Sts><Cd>BOOK</Cd></Sts>"
    (report,) = read_bank_file(camt(entry(KEY.upper(), state=state), version=version)).reports
    assert (report.key, report.outcome, report.rail, report.source) == (KEY, "paid", "iso20022", "file")
    assert (report.amount, report.currency, report.occurred_at) == (Decimal("12.50"), "EUR", AT)
    assert (report.report_id, report.reference) == (f"REF-1/DBIT/{KEY}", "REF-1")


def test_what_is_not_booked_yet_does_not_count() -> None:
    file = read_bank_file(camt(entry(state="<Sts><Cd>PDNG</Cd></Sts>")))
    assert (file.kind, file.reports, file.unmatched) == ("camt.053", (), ())


@pytest.mark.parametrize(
    ("reason", "code"),
    [("AC01", "account_unknown"), ("AC04", "account_closed"), ("MD07", "payee_unable"), ("", "unexplained")],
)
def test_a_credit_with_our_key_is_a_return(reason: str, code: str) -> None:
    assert words(camt(entry(direction="CRDT", reason=reason))) == [(KEY, "returned", code)]


def test_an_entry_of_many_payments_has_a_report_for_each() -> None:
    details = "".join(
        f'<TxDtls><Refs><EndToEndId>{key}</EndToEndId></Refs><Amt Ccy="EUR">{amount}</Amt></TxDtls>'
        for key, amount in ((KEY, "10.00"), (OTHER, "2.50"))
    )
    reports = read_bank_file(camt(entry(details=details))).reports
    assert [(report.key, str(report.amount)) for report in reports] == [(KEY, "10.00"), (OTHER, "2.50")]
    assert len({report.report_id for report in reports}) == 2


def test_what_was_ordered_counts_where_the_bank_booked_another_currency() -> None:
    details = (
        f"<TxDtls><Refs><EndToEndId>{KEY}</EndToEndId></Refs><Amt Ccy='EUR'>11.00</Amt>"
        "<AmtDtls><InstdAmt><Amt Ccy='USD'>12.50</Amt></InstdAmt></AmtDtls></TxDtls>"
    )
    (report,) = read_bank_file(camt(entry(details=details))).reports
    assert (report.amount, report.currency) == (Decimal("12.50"), "USD")


def test_what_banks_kept_of_a_return_is_its_fee() -> None:
    details = (
        f"<TxDtls><Refs><EndToEndId>{KEY}</EndToEndId></Refs><Amt Ccy='EUR'>10.00</Amt>"
        "<Chrgs><TtlChrgsAndTaxAmt Ccy='EUR'>2.50</TtlChrgsAndTaxAmt></Chrgs></TxDtls>"
    )
    (report,) = read_bank_file(camt(entry(direction="CRDT", details=details))).reports
    assert (report.amount, report.fee) == (Decimal("10.00"), Decimal("2.50"))


def test_edge_18_the_same_entry_twice_has_the_same_report_id() -> None:
    named = camt(entry())
    notified = camt(entry(), kind="BkToCstmrDbtCdtNtfctn", part="Ntfctn", version="054.001.08")
    assert read_bank_file(named) == read_bank_file(named)
    assert read_bank_file(named).reports == read_bank_file(notified).reports

    unnamed = camt(entry(reference="<NtryRef>1</NtryRef>"), entry(OTHER, reference="<NtryRef>2</NtryRef>"))
    first, again = read_bank_file(unnamed).reports, read_bank_file(unnamed).reports
    assert first == again
    assert len({report.report_id for report in first}) == 2

    answered = pain002(status(KEY, "ACSP"))
    assert read_bank_file(answered) == read_bank_file(answered)


def test_a_payment_and_its_return_are_two_reports_even_with_one_reference() -> None:
    reports = read_bank_file(camt(entry(), entry(direction="CRDT", reason="AC04"))).reports
    assert len({report.report_id for report in reports}) == 2


@pytest.mark.parametrize("key", [None, "NOTPROVIDED", "0f8fad5b", "z" * 32])
def test_edge_19_an_entry_without_a_key_is_listed_and_never_guessed_by_its_amount(key: str | None) -> None:
    file = read_bank_file(camt(entry(), entry(key, reference="<AcctSvcrRef>REF-2</AcctSvcrRef>")))
    assert [report.key for report in file.reports] == [KEY]
    (left,) = file.unmatched
    assert (left.reference, left.direction, left.reason) == ("REF-2", "DBIT", "no_key")
    assert (left.amount, left.currency, left.booked_at) == (Decimal("12.50"), "EUR", AT)


def test_edge_19_money_that_comes_in_is_no_business_of_payouts_unless_it_is_a_return() -> None:
    file = read_bank_file(camt(entry(None, "CRDT"), entry(None, "CRDT", reason="AC04")))
    assert (file.reports, [left.direction for left in file.unmatched]) == ((), ["CRDT"])


def test_a_debit_that_reverses_something_is_for_a_person() -> None:
    file = read_bank_file(camt(entry(reversal="<RvslInd>true</RvslInd>")))
    assert (file.reports, [left.reason for left in file.unmatched]) == ((), ["reversal"])


def test_references_of_any_form_have_an_id_that_messages_hold() -> None:
    reference = f"<AcctSvcrRef>a b {'x' * 300}é</AcctSvcrRef>"
    (report,) = read_bank_file(camt(entry(reference=reference))).reports
    assert report.reference is None
    assert report == read_bank_file(camt(entry(reference=reference))).reports[0]


BOMB = b'<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><Document>&b;</Document>'
OUTER = b'<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">]><Document>&a;</Document>'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<Document>",
        b"\xff\xfe\x00",
        b"not xml at all",
        b'{"status": "ACCP"}',
        b'<?xml version="1.0" encoding="nothing"?><Document/>',
        BOMB,
        OUTER,
        b"<Document><CstmrCdtTrfInitn/></Document>",
        camt(entry(amount="a lot")),
        camt(entry(amount="-1.00")),
        camt(entry(amount="1e9")),
        camt(entry()).replace(b'Ccy="EUR"', b'Ccy="EURO"'),
        camt(entry()).replace(b'<Amt Ccy="EUR">12.50</Amt>', b""),
        camt(entry()).replace(b"<Dt>2026-11-30</Dt>", b"").replace(b"<CreDtTm>2026-12-01T00:00:00Z</CreDtTm>", b""),
        b" " * (FILE_BYTES_MAX + 1),
    ],
)
def test_a_file_of_another_form_is_refused_with_a_sentence(content: bytes) -> None:
    with pytest.raises(BankFileRefused) as refused:
        read_bank_file(content)
    assert str(refused.value).endswith(".")
    assert "passwd" not in str(refused.value)
