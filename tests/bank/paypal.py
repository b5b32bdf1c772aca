"""The dialect of PayPal Payouts: tokens, batches, a link to the first payout of an id, and signed events."""

from __future__ import annotations

import json
import secrets
import zlib
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from contracts.money import to_amount, to_minor
from tests.bank.bank import Bank, Notice, mounted, new_id
from tests.bank.book import Ordered, Payment
from tests.bank.scenarios import OnSend, Scenario
from tests.bank.wechat import a_key

RAIL = "paypal"
PATH = "/paypal"
CLIENT_ID = "tributary-client"
WEBHOOK_ID = "4JH86294D6297924G"
WHOLE = ("HUF", "JPY", "TWD")
_STATES = {
    "accepted": "PENDING",
    "awaiting": "UNCLAIMED",
    "paid": "SUCCESS",
    "failed": "FAILED",
    "returned": "REVERSED",
}
_ERRORS = {"account": "RECEIVER_ACCOUNT_LOCKED", "expired": "RECEIVER_UNREGISTERED"}


@dataclass
class PayPalDialect:
    bank: Bank
    secret: str = field(default_factory=lambda: secrets.token_hex(16))
    key: rsa.RSAPrivateKey = field(default_factory=a_key)
    tokens: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bank.writers[RAIL] = self._notice

    def certificate(self) -> bytes:
        """The certificate (PEM) that events are signed with."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "messageverificationcerts.paypal.test")])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(name, name, self.key.public_key(), 1, now, now + timedelta(days=9))
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.PEM)

    def mount(self) -> Mount:
        return mounted(
            PATH,
            Route("/v1/oauth2/token", self._token, methods=["POST"]),
            Route("/v1/payments/payouts", self._payout, methods=["POST"]),
            Route("/v1/payments/payouts/{batch}", self._batch),
        )

    async def _token(self, request: Request) -> Response:
        pair = b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        if pair != f"{CLIENT_ID}:{self.secret}" or await request.body() != b"grant_type=client_credentials":
            self.bank.unverified += 1
            return JSONResponse({"error": "invalid_client"}, 401)
        self.tokens.append(secrets.token_hex(24))
        return JSONResponse({"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": 32_400})

    async def _payout(self, request: Request) -> Response:
        if not self._is_known(request):
            return JSONResponse({"name": "AUTHENTICATION_FAILURE"}, 401)
        body = json.loads(await request.body())
        item, key = body["items"][0], body["sender_batch_header"]["sender_batch_id"]
        currency, value = item["amount"]["currency"], item["amount"]["value"]
        if len(body["items"]) != 1 or item["sender_item_id"] != key or (currency in WHOLE and "." in value):
            return JSONResponse({"name": "VALIDATION_ERROR", "message": "Invalid request"}, 400)
        if (first := self.bank.book.find(RAIL, key)) is not None:
            self.bank.requests.append(f"{RAIL} {key}")
            link = {"href": f"{request.url}/{self._batch_id(first)}", "rel": "self", "method": "GET"}
            error = {"name": "USER_BUSINESS_ERROR", "message": "Sender Batch ID already exists", "links": [link]}
            return JSONResponse(error, 400)
        minor = to_minor(Decimal(value), currency)
        order = Ordered(RAIL, key, item["receiver"], minor, currency, item["note"])
        return await self.bank.take(order, self._created, self._refused)

    async def _batch(self, request: Request) -> Response:
        if not self._is_known(request):
            return JSONResponse({"name": "AUTHENTICATION_FAILURE"}, 401)
        number = request.path_params["batch"].removeprefix("BATCH")
        payment = self.bank.book.numbered(RAIL, int(number)) if number.isdigit() else None
        if payment is None:
            return JSONResponse({"name": "INVALID_RESOURCE_ID"}, 404)
        return JSONResponse({"batch_header": self._header(payment, "SUCCESS"), "items": [self._item(payment)]})

    def _created(self, payment: Payment) -> Response:
        return JSONResponse({"batch_header": self._header(payment, "PENDING")}, 201)

    def _refused(self, on_send: OnSend) -> Response:
        match on_send:
            case "no_funds":
                return JSONResponse({"name": "INSUFFICIENT_FUNDS", "message": "Sender has insufficient funds"}, 422)
            case "rate_limit":
                return JSONResponse({"name": "RATE_LIMIT_REACHED"}, 429, {"retry-after": "30"})
            case _:
                return JSONResponse({"name": "VALIDATION_ERROR", "message": "Invalid request"}, 400)

    def _header(self, payment: Payment, status: str) -> dict[str, Any]:
        header = {"sender_batch_id": payment.key}
        return {"payout_batch_id": self._batch_id(payment), "batch_status": status, "sender_batch_header": header}

    def _batch_id(self, payment: Payment) -> str:
        return f"BATCH{payment.id}"

    def _item(self, payment: Payment) -> dict[str, Any]:
        state = "RETURNED" if payment.reason == "expired" else _STATES[payment.state]
        error = _ERRORS.get(payment.reason or "") if payment.state in ("failed", "returned") else None
        amount = {"currency": payment.currency, "value": str(to_amount(payment.minor, payment.currency))}
        return {
            "payout_item_id": f"ITEM{payment.id}",
            "transaction_status": state,
            "payout_item_fee": {"currency": payment.currency, "value": "0.25"},
            "payout_batch_id": self._batch_id(payment),
            "payout_item": {"amount": amount, "receiver": payment.payee, "sender_item_id": payment.key},
            "time_processed": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            **({"errors": {"name": error, "message": "…"}} if error else {}),
        }

    def _notice(self, payment: Payment, scenario: Scenario, is_wrong: bool) -> Notice | None:
        item = self._item(payment)
        if is_wrong:
            item["payout_item"]["amount"]["value"] = "99999.00"
        kind = {"paid": "SUCCEEDED", "returned": "REFUNDED"}.get(payment.state, item["transaction_status"])
        event = {
            "id": f"WH-{new_id()}",
            "create_time": item["time_processed"],
            "event_type": f"PAYMENT.PAYOUTS-ITEM.{kind}",
            "resource": item,
        }
        raw = json.dumps(event).encode()
        return Notice(RAIL, self.signed(raw), raw)

    def signed(self, raw: bytes) -> dict[str, str]:
        sent_id, sent_at = new_id(), datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        signed = f"{sent_id}|{sent_at}|{WEBHOOK_ID}|{zlib.crc32(raw)}".encode()
        return {
            "Paypal-Transmission-Id": sent_id,
            "Paypal-Transmission-Time": sent_at,
            "Paypal-Transmission-Sig": b64encode(self.key.sign(signed, padding.PKCS1v15(), SHA256())).decode(),
            "Paypal-Auth-Algo": "SHA256withRSA",
            "Paypal-Cert-Url": "https://api.paypal.test/v1/notifications/certs/CERT-360caa42",
        }

    def _is_known(self, request: Request) -> bool:
        is_known = request.headers.get("authorization", "").removeprefix("Bearer ") in self.tokens
        self.bank.unverified += not is_known
        return is_known
