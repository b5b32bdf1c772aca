"""The rail `wechat_pay`: transfers to a person's balance (商家转账), APIv3. The payee confirms each of them.

An answer counts only if WeChat Pay has signed it. A status other than 200 says nothing about the transfer itself
("do not retry with another number"), so a refusal is believed only if the look-up by our number finds nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pydantic import SecretStr

from contracts.money import to_amount
from contracts.payouts.faults import EXPIRED, FUNDS
from contracts.payouts.v1 import ReportOutcome, ReportPayout
from contracts.wire.answer import Answer
from infra.adapters.outside.https import Get, Post, Reply
from infra.adapters.outside.rails.configured import https_of, needed, private_key, public_keys
from infra.adapters.outside.rails.standing import Standing, Unreadable, key_or_none, time_of, word_of
from infra.adapters.outside.rails.wechat_signing import authorization, encrypted, is_signed, opened
from infra.adapters.outside.robot import fields_of
from infra.ports.rails import ABSENT, CallbackRefused, Order
from infra.ports.time import Time
from infra.receivers.guard import Resolve
from infra.settings import Settings

RAIL = "wechat_pay"
BILLS = "/v3/fund-app/mch-transfer/transfer-bills"
NAME_FROM_MINOR = 30
"""From 0.30 yuan on the payee's name may be given, from 2,000 it must."""

REMARK_MAX = 32

_STATES: Mapping[str, ReportOutcome] = {
    # CANCELING is no end: a transfer that is being cancelled may still succeed.
    **dict.fromkeys(("ACCEPTED", "PROCESSING", "TRANSFERING", "TRANSFERRING", "CANCELING"), "accepted"),
    "WAIT_USER_CONFIRM": "awaiting_payee",
    "SUCCESS": "paid",
    **dict.fromkeys(("FAIL", "CANCELLED"), "failed"),
}
_ACCOUNT_FAULTS: Mapping[str, tuple[str, ...]] = {
    "account_unknown": ("ACCOUNT_NOT_EXIST", "OPENID_INVALID", "OPENID_ERROR"),
    "account_blocked": ("ACCOUNT_FROZEN", "PAYEE_ACCOUNT_ABNORMAL"),
    "name_mismatch": ("NAME_NOT_CORRECT", "ID_CARD_NOT_CORRECT"),
    "payee_unable": ("REAL_NAME_CHECK_FAIL", "RECEIVE_ACCOUNT_NOT_CONFIGURE", "RECEIVE_ACCOUNT_NOT_PERMMIT"),
}
_OTHER_FAULTS: Mapping[str, tuple[str, ...]] = {
    EXPIRED: ("OVERDUE_CLOSE", "USER_CONFIRM_TIMEOUT"),
    "limit_exceeded": ("TRANSFER_QUOTA_EXCEED", "DAY_RECEIVED_QUOTA_EXCEED", "MONTH_RECEIVED_QUOTA_EXCEED"),
    "cancelled": ("MCH_CANCEL", "CANCELLED"),
    "rejected": ("BUSINESS_RISK", "TRANSFER_RISK", "TRANSFER_REMARK_SET_FAIL"),
    FUNDS: ("NOT_ENOUGH",),
    "invalid_order": ("PARAM_ERROR", "INVALID_REQUEST"),
    "not_permitted": ("NO_AUTH",),
}
FAULTS = {code: fault for table in (_ACCOUNT_FAULTS, _OTHER_FAULTS) for fault, codes in table.items() for code in codes}


def make(settings: Settings, time: Time, resolve: Resolve) -> WechatPay | None:
    """None without a merchant number. Raises RailMisconfigured."""
    if settings.rail_wechat_pay_mch_id is None:
        return None
    needed(settings, *(f"rail_wechat_pay_{name}" for name in ("app_id", "serial", "private_key_file")))
    return WechatPay(settings, _platform(settings), time, resolve)


def reader(settings: Settings) -> WechatCallbacks | None:
    """None without a merchant number. Raises RailMisconfigured."""
    if settings.rail_wechat_pay_mch_id is None:
        return None
    needed(settings, "rail_wechat_pay_api_v3_key")
    key = settings.rail_wechat_pay_api_v3_key or SecretStr("")
    return WechatCallbacks(_platform(settings), settings.rail_wechat_pay_mch_id, key)


@dataclass(frozen=True, slots=True)
class _Platform:
    """WeChat Pay's key, and the id by which it names it."""

    key_id: str
    keys: tuple[RSAPublicKey, ...]

    def has_signed(self, headers: Mapping[str, str], raw_body: bytes, now: datetime) -> bool:
        return is_signed(self.keys, self.key_id, headers, raw_body, now)


def _platform(settings: Settings) -> _Platform:
    needed(settings, "rail_wechat_pay_platform_key_id", "rail_wechat_pay_platform_key_file")
    path = settings.rail_wechat_pay_platform_key_file or ""
    keys = public_keys("rail_wechat_pay_platform_key_file", path)
    return _Platform(settings.rail_wechat_pay_platform_key_id or "", keys)


class WechatPay:
    def __init__(self, settings: Settings, platform: _Platform, time: Time, resolve: Resolve) -> None:
        self._settings = settings
        self._platform = platform
        self._key = private_key("rail_wechat_pay_private_key_file", settings.rail_wechat_pay_private_key_file or "")
        self._https, self._host = https_of(settings, settings.rail_wechat_pay_url, time, resolve)
        self._time = time

    async def send(self, order: Order, key: str) -> Answer:
        reply = await self._call("POST", BILLS, self._body(order, key))
        if isinstance(reply, Answer):
            return reply
        if reply.status == 429:
            return reply.answer(
                "unavailable", "rate_limited", "takes no more transfers for now; it is sent again later."
            )
        if reply.status == 401:
            detail = "does not accept our signature; check serial and private key of the rail."
            return reply.answer("unavailable", "not_permitted", detail)
        if (refusal := self._refusal(reply)) is None:
            return self._standing(reply, key)
        found = await self.look_up(key, None)
        return refusal if found.outcome == "done" and found.code == ABSENT else found

    async def look_up(self, key: str, reference: str | None) -> Answer:
        reply = await self._call("GET", f"{BILLS}/out-bill-no/{key}", b"")
        if isinstance(reply, Answer):
            return Answer("unknown", reply.code, reply.detail, reply.at, retry_after_s=reply.retry_after_s)
        if reply.status == 404 and self._is_signed(reply) and fields_of(reply).get("code") == "NOT_FOUND":
            return reply.answer("done", ABSENT, "does not know the transfer.")
        return self._standing(reply, key)

    def _body(self, order: Order, key: str) -> bytes:
        settings = self._settings
        body: dict[str, object] = {
            "appid": settings.rail_wechat_pay_app_id,
            "out_bill_no": key,
            "transfer_scene_id": settings.rail_wechat_pay_scene,
            "openid": order.destination,
            "transfer_amount": order.amount_minor,
            "transfer_remark": order.remittance[:REMARK_MAX] or order.payout_id[:REMARK_MAX],
            "transfer_scene_report_infos": [
                {"info_type": kind, "info_content": content}
                for kind, content in settings.rail_wechat_pay_scene_report.items()
            ],
        }
        if settings.rail_wechat_pay_notify_url is not None:
            body["notify_url"] = settings.rail_wechat_pay_notify_url
        if order.amount_minor >= NAME_FROM_MINOR:
            body["user_name"] = encrypted(self._platform.keys[0], order.holder)
        return json.dumps(body, ensure_ascii=False).encode()

    async def _call(self, method: str, path: str, body: bytes) -> Reply | Answer:
        settings = self._settings
        mch_id, serial = settings.rail_wechat_pay_mch_id or "", settings.rail_wechat_pay_serial or ""
        at, url = self._time.now(), f"{settings.rail_wechat_pay_url}{path}"
        path = urlsplit(url).path
        headers = {
            "accept": "application/json",
            "authorization": authorization(self._key, mch_id, serial, method=method, path=path, body=body, at=at),
            "wechatpay-serial": self._platform.key_id,
        }
        if method == "GET":
            return await self._https.call(Get(url, headers), self._host)
        return await self._https.call(Post(url, headers | {"content-type": "application/json"}, body), self._host)

    def _is_signed(self, reply: Reply) -> bool:
        return reply.body is not None and self._platform.has_signed(reply.headers, reply.body, self._time.now())

    def _refusal(self, reply: Reply) -> Answer | None:
        """The refusal that a signed answer of 4xx is, if the transfer is not there."""
        code = fields_of(reply).get("code")
        if not 400 <= reply.status < 500 or not self._is_signed(reply) or not isinstance(code, str):
            return None
        fault = FAULTS.get(code, "unexplained")
        if fault == FUNDS:
            return reply.answer("unavailable", FUNDS, f"answered {word_of(code)}: our balance there is too low.")
        return Standing("failed", fault, word_of(code)).answer(self._host, reply.at)

    def _standing(self, reply: Reply, key: str) -> Answer:
        fields = fields_of(reply)
        if reply.status == 200 and self._is_signed(reply) and fields.get("out_bill_no") == key:
            return standing_of_bill(fields).answer(self._host, reply.at)
        detail = f"answered {reply.status} without a signed word about the transfer."
        return reply.answer("unknown", "no_answer", detail)


def standing_of_bill(bill: Mapping[str, Any]) -> Standing:
    """What a bill says: of an answer, a look-up or a callback."""
    state, reason = bill.get("state"), bill.get("fail_reason")
    outcome = _STATES.get(state) if isinstance(state, str) else None
    reference = bill.get("transfer_bill_no")
    minor = bill.get("transfer_amount")
    amount: Decimal | None = None
    if isinstance(minor, int) and not isinstance(minor, bool) and 0 <= minor < 10**15:
        amount = to_amount(minor, "CNY")
    if outcome is None:
        return Standing("unknown", "unexplained", word_of(state))
    code: str = outcome
    if outcome == "failed":
        code = FAULTS.get(str(reason or state), "unexplained")
    return Standing(
        outcome,
        code,
        f"{state} {word_of(reason)}" if reason else str(state),
        reference if isinstance(reference, str) else None,
        amount,
        "CNY" if amount is not None else None,
    )


class WechatCallbacks:
    """Reads notices of transfers: signed over the raw body, encrypted, of our own merchant number."""

    def __init__(self, platform: _Platform, mch_id: str, api_v3_key: SecretStr) -> None:
        self._platform = platform
        self._mch_id = mch_id
        self._api_v3_key = api_v3_key

    def read(
        self, headers: Mapping[str, str], raw_body: bytes, now: datetime
    ) -> tuple[ReportPayout, ...] | CallbackRefused:
        if not self._platform.has_signed(headers, raw_body, now):
            return CallbackRefused("forged", "WeChat Pay has not signed this, or not just now.")
        try:
            notice = _object(raw_body)
            bill = self._bill(notice)
        except Unreadable as error:
            return CallbackRefused("unreadable", f"The notice cannot be read: {error}.")
        if bill.get("mch_id") != self._mch_id:
            return CallbackRefused("forged", "The notice is for another merchant.")
        key, notice_id = key_or_none(bill.get("out_bill_no")), notice.get("id")
        if key is None or not isinstance(notice_id, str):
            return CallbackRefused("unreadable", "The notice names no transfer of ours.")
        at = time_of(bill.get("update_time")) or time_of(notice.get("create_time")) or now
        try:
            return (standing_of_bill(bill).report(key, RAIL, notice_id, "callback", at),)
        except Unreadable as error:
            return CallbackRefused("unreadable", f"The notice cannot be read: {error}.")

    def _bill(self, notice: Mapping[str, Any]) -> Mapping[str, Any]:
        resource = notice.get("resource")
        parts = resource if isinstance(resource, dict) else {}
        nonce, associated, ciphertext = (parts.get(name, "") for name in ("nonce", "associated_data", "ciphertext"))
        if not all(isinstance(each, str) for each in (nonce, associated, ciphertext)):
            raise Unreadable("its resource has another form")
        plain = opened(self._api_v3_key, nonce, associated, ciphertext)
        if plain is None:
            raise Unreadable("its resource does not open; check the APIv3 key of the rail")
        return _object(plain)


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        read = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is not JSON") from error
    if not isinstance(read, dict):
        raise Unreadable("it is not a JSON object")
    return read
