"""The dialect of WeChat Pay. Signatures and encryption are those of the package wechatpayv3, not of our adapter."""

from __future__ import annotations

import json
import re
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from wechatpayv3.utils import b64encode, rsa_decrypt, rsa_sign, rsa_verify

from tests.bank.bank import Bank, Notice, mounted, new_id
from tests.bank.book import Ordered, Payment
from tests.bank.scenarios import OnSend, Scenario

RAIL = "wechat_pay"
PATH = "/wechat"
KEY_ID = "PUB_KEY_ID_0114232134912410000000000000"
MCH_ID = "1900001109"
SERIAL = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
_STATES = {
    "accepted": "PROCESSING",
    "awaiting": "WAIT_USER_CONFIRM",
    "paid": "SUCCESS",
    "failed": "FAIL",
    "returned": "SUCCESS",
}
_REASONS = {"account": "ACCOUNT_FROZEN", "expired": "OVERDUE_CLOSE"}
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


def a_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class WechatDialect:
    bank: Bank
    merchant: rsa.RSAPrivateKey = field(default_factory=a_key)
    platform: rsa.RSAPrivateKey = field(default_factory=a_key)
    api_v3_key: str = field(default_factory=lambda: secrets.token_hex(16))
    names: list[str] = field(default_factory=list)
    is_signing: bool = True

    def __post_init__(self) -> None:
        self.bank.writers[RAIL] = self._notice

    def mount(self) -> Mount:
        bills = "/v3/fund-app/mch-transfer/transfer-bills"
        return mounted(
            PATH,
            Route(bills, self._transfer, methods=["POST"]),
            Route(f"{bills}/out-bill-no/{{key}}", self._find),
        )

    async def _transfer(self, request: Request) -> Response:
        raw = await request.body()
        if not self._is_signed(request, raw):
            self.bank.unverified += 1
            return self._answer({"code": "SIGN_ERROR", "message": "签名错误"}, 401)
        body = json.loads(raw)
        if not re.fullmatch("[0-9A-Za-z]{1,32}", body["out_bill_no"]) or body["transfer_amount"] < 10:
            return self._answer({"code": "PARAM_ERROR", "message": "参数错误"}, 400)
        if "user_name" in body:
            assert request.headers["wechatpay-serial"] == KEY_ID
            self.names.append(rsa_decrypt(body["user_name"], self.platform))
        order = Ordered(
            RAIL, body["out_bill_no"], body["openid"], body["transfer_amount"], "CNY", body["transfer_remark"]
        )
        return await self.bank.take(order, self._created, self._refused)

    async def _find(self, request: Request) -> Response:
        if not self._is_signed(request, b""):
            self.bank.unverified += 1
            return self._answer({"code": "SIGN_ERROR", "message": "签名错误"}, 401)
        payment = self.bank.book.find(RAIL, request.path_params["key"])
        if payment is None:
            return self._answer({"code": "NOT_FOUND", "message": "记录不存在"}, 404)
        return self._answer(self._bill(payment), 200)

    def _created(self, payment: Payment) -> Response:
        bill = self._bill(payment)
        return self._answer({name: bill[name] for name in ("out_bill_no", "transfer_bill_no", "state")}, 200)

    def _refused(self, on_send: OnSend) -> Response:
        match on_send:
            case "no_funds":
                return self._answer({"code": "NOT_ENOUGH", "message": "商户余额不足"}, 403)
            case "rate_limit":
                return self._answer({"code": "FREQUENCY_LIMITED", "message": "频率超限"}, 429)
            case _:
                return self._answer({"code": "PARAM_ERROR", "message": "参数错误"}, 400)

    def _bill(self, payment: Payment) -> dict[str, Any]:
        reason = _REASONS.get(payment.reason or "") if payment.state == "failed" else None
        return {
            "mch_id": MCH_ID,
            "out_bill_no": payment.key,
            "transfer_bill_no": f"13300000711001{payment.id:010}",
            "state": _STATES[payment.state],
            "transfer_amount": payment.minor,
            "openid": payment.payee,
            "create_time": datetime.now(UTC).isoformat(timespec="seconds"),
            "update_time": datetime.now(UTC).isoformat(timespec="seconds"),
            **({"fail_reason": reason} if reason else {}),
        }

    def _notice(self, payment: Payment, scenario: Scenario, is_wrong: bool) -> Notice | None:
        if payment.state == "returned":
            return None
        bill = self._bill(payment)
        if is_wrong:
            bill["transfer_amount"] += 100
        nonce = secrets.token_hex(6)
        plain = json.dumps(bill).encode()
        ciphertext = AESGCM(self.api_v3_key.encode()).encrypt(nonce.encode(), plain, b"mch_payment")
        body = {
            "id": new_id(),
            "create_time": datetime.now(UTC).isoformat(timespec="seconds"),
            "resource_type": "encrypt-resource",
            "event_type": "MCHTRANSFER.BILL.FINISHED",
            "resource": {
                "algorithm": "AEAD_AES_256_GCM",
                "original_type": "mch_payment",
                "associated_data": "mch_payment",
                "nonce": nonce,
                "ciphertext": b64encode(ciphertext).decode(),
            },
        }
        raw = json.dumps(body).encode()
        return Notice(RAIL, self.signed(raw), raw)

    def signed(self, raw: bytes) -> dict[str, str]:
        timestamp, nonce = str(int(time.time())), secrets.token_hex(16)
        return {
            "Wechatpay-Serial": KEY_ID,
            "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": rsa_sign(self.platform, f"{timestamp}\n{nonce}\n{raw.decode()}\n"),
        }

    def _answer(self, fields: dict[str, Any], status: int) -> Response:
        raw = json.dumps(fields, ensure_ascii=False).encode()
        headers = self.signed(raw) if self.is_signing else {}
        return Response(raw, status, headers, media_type="application/json")

    def _is_signed(self, request: Request, raw: bytes) -> bool:
        scheme, _, rest = request.headers["authorization"].partition(" ")
        fields = dict(_PARAMETER.findall(rest))
        target = f"{request.method}\n{request.url.path}\n"
        is_ours = (scheme, fields["mchid"], fields["serial_no"]) == ("WECHATPAY2-SHA256-RSA2048", MCH_ID, SERIAL)
        # The package verifies answers, which have no target; ours begins with it, and its time stands for both.
        public = self.merchant.public_key()
        signed = rsa_verify(
            f"{target}{fields['timestamp']}", fields["nonce_str"], raw.decode(), fields["signature"], public
        )
        return bool(signed) and is_ours and abs(time.time() - int(fields["timestamp"])) < 300
