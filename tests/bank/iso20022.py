"""The dialect of an ISO 20022 bank, beside mock-bank, for what that one does not do: hang, break, lose. Its answers are
pain.002, and its statement camt.053.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from defusedxml import ElementTree
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from contracts.money import to_amount, to_minor
from tests.bank.bank import Bank, mounted
from tests.bank.book import Ordered
from tests.bank.scenarios import OnSend

RAIL = "iso20022"
PATH = "/iso20022"
_REASONS = {"account": "AC04", "funds": "AM04"}
_NS = {"p": "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"}


@dataclass
class Iso20022Dialect:
    bank: Bank
    authorization: str = field(default_factory=lambda: f"Bearer {secrets.token_hex(16)}")

    def mount(self) -> Mount:
        return mounted(
            PATH,
            Route("/payments", self._payments, methods=["POST"]),
            Route("/payments/{key}", self._find),
        )

    async def _payments(self, request: Request) -> Response:
        if request.headers.get("authorization") != self.authorization:
            self.bank.unverified += 1
            return Response(status_code=401)
        root = ElementTree.fromstring(await request.body())
        transfer = root.find(".//p:CdtTrfTxInf", _NS)
        assert transfer is not None
        key = transfer.findtext(".//p:EndToEndId", "", _NS)
        amount = transfer.find(".//p:InstdAmt", _NS)
        assert amount is not None
        currency = amount.attrib["Ccy"]
        order = Ordered(
            RAIL,
            key,
            transfer.findtext(".//p:CdtrAcct//p:IBAN", "", _NS),
            to_minor(Decimal(amount.text or ""), currency),
            currency,
            transfer.findtext(".//p:Ustrd", "", _NS),
        )
        if self.bank.book.find(RAIL, key) is not None:
            self.bank.requests.append(f"{RAIL} {key}")
            return self._xml(pain002(key, "RJCT", "DUPL"), 422)

        def refuse(on_send: OnSend) -> Response:
            if on_send == "rate_limit":
                return Response(status_code=429)
            reason = "funds" if on_send == "no_funds" else "account"
            payment = self.bank.book.take(order)
            self.bank.book.move(payment, "failed", reason)
            return self._xml(pain002(key, "RJCT", _REASONS[reason]), 422)

        return await self.bank.take(order, lambda payment: self._xml(pain002(key, "ACCP"), 202), refuse)

    async def _find(self, request: Request) -> Response:
        if request.headers.get("authorization") != self.authorization:
            self.bank.unverified += 1
            return Response(status_code=401)
        key = request.path_params["key"]
        payment = self.bank.book.find(RAIL, key)
        if payment is None:
            return JSONResponse({"error": f"no payment {key}"}, 404)
        status = {"accepted": "ACSP", "awaiting": "PDNG", "failed": "RJCT"}.get(payment.state, "ACSC")
        reason = _REASONS.get(payment.reason or "account") if status == "RJCT" else None
        return self._xml(pain002(key, status, reason), 200)

    def _xml(self, body: bytes, status: int) -> Response:
        return Response(body, status, media_type="application/xml")

    def statement(self) -> bytes:
        """All that moved, as camt.053: each credit of a payee is a debit of ours."""
        entries = "".join(_entry(entry.id, entry.key, entry.minor, entry.currency, entry.at, entry.reason)
                          for entry in self.bank.book.entries(rail=RAIL))  # fmt: skip
        now = _now()
        return (
            '<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">'
            f"<BkToCstmrStmt><GrpHdr><MsgId>S-1</MsgId><CreDtTm>{now}</CreDtTm></GrpHdr>"
            f"<Stmt><Id>S-1</Id><CreDtTm>{now}</CreDtTm>{entries}</Stmt></BkToCstmrStmt></Document>"
        ).encode()


def pain002(key: str, status: str, reason: str | None = None) -> bytes:
    why = f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf>" if reason else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10">'
        f"<CstmrPmtStsRpt><GrpHdr><MsgId>P-{secrets.token_hex(6)}</MsgId><CreDtTm>{_now()}</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{key}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>"
        f"</OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><OrgnlPmtInfId>{key}</OrgnlPmtInfId><TxInfAndSts>"
        f"<OrgnlEndToEndId>{key}</OrgnlEndToEndId><TxSts>{status}</TxSts>{why}"
        "</TxInfAndSts></OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"
    ).encode()


def _entry(number: int, key: str, minor: int, currency: str, at: str, reason: str | None) -> str:
    amount = f'<Amt Ccy="{currency}">{to_amount(abs(minor), currency)}</Amt>'
    back = f"<RtrInf><Rsn><Cd>{_REASONS.get(reason or '', 'MS03')}</Cd></Rsn></RtrInf>" if minor < 0 else ""
    return (
        f"<Ntry>{amount}<CdtDbtInd>{'CRDT' if minor < 0 else 'DBIT'}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>"
        f"<BookgDt><DtTm>{at}</DtTm></BookgDt><AcctSvcrRef>E-{number}</AcctSvcrRef><NtryDtls><TxDtls>"
        f"<Refs><EndToEndId>{key}</EndToEndId></Refs>{amount}{back}</TxDtls></NtryDtls></Ntry>"
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
