"""The rail `paypal`: Payouts of one item each, whose batch and item have the key as their id.

A key that comes again within 30 days is answered with a link to its first payout: that is the look-up of a key without
a known reference, but it may send, so only `send` does it. With the reference, which is PayPal's id of the batch, a
look-up reads.
"""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from contracts.payouts.faults import EXPIRED, FUNDS
from contracts.payouts.rails import RAILS
from contracts.payouts.v1 import ReportOutcome, ReportPayout
from contracts.wire.answer import Answer
from infra.adapters.outside.https import Get, Post, Reply
from infra.adapters.outside.rails.configured import https_of, needed, public_keys
from infra.adapters.outside.rails.standing import Standing, Unreadable, amount_of, key_or_none, time_of, word_of
from infra.adapters.outside.rails.wechat_signing import verifies
from infra.adapters.outside.robot import fields_of, json_post
from infra.ports.rails import CallbackRefused, Order
from infra.ports.time import Time
from infra.receivers.guard import Resolve
from infra.settings import Settings

RAIL = "paypal"
PAYOUTS = "/v1/payments/payouts"
NOTE_MAX = 1000
FRESH = timedelta(days=4)
"""PayPal repeats an event for three days, with the time and signature of the first."""

_LINK = re.compile(r"/v1/payments/payouts/([A-Za-z0-9]{1,64})(?:[?/]|$)")
_STATES: Mapping[str, ReportOutcome] = {
    "SUCCESS": "paid",
    **dict.fromkeys(("NEW", "PENDING", "ONHOLD", "PROCESSING"), "accepted"),
    "UNCLAIMED": "awaiting_payee",
    # RETURNED: the payee did not claim it in 30 days, so it was never paid.
    **dict.fromkeys(("FAILED", "BLOCKED", "DENIED", "CANCELED", "RETURNED"), "failed"),
    **dict.fromkeys(("REFUNDED", "REVERSED"), "returned"),
}
_UNCLAIMED = {"RETURNED": EXPIRED, "CANCELED": "cancelled"}
_REFUSALS = dict.fromkeys(("BLOCKED", "DENIED", "REFUNDED", "REVERSED"), "rejected")
_ERRORS: Mapping[str, tuple[str, ...]] = {
    "account_unknown": ("INVALID_EMAIL", "RECEIVER_UNREGISTERED", "RECEIVER_ACCOUNT_INVALID"),
    "account_blocked": ("RECEIVER_ACCOUNT_LOCKED", "RECEIVER_ACCOUNT_LIMITATION"),
    "payee_unable": (
        "RECEIVER_UNCONFIRMED",
        "RECEIVER_COUNTRY_NOT_ALLOWED",
        "RECEIVER_STATE_RESTRICTED",
        "RECEIVER_REFUSED",
        "RECEIVER_YOUTH_ACCOUNT",
    ),
    "currency_not_supported": ("CURRENCY_NOT_SUPPORTED_FOR_RECEIVER", "NON_HOLDING_CURRENCY", "CURRENCY_COMPLIANCE"),
    FUNDS: ("INSUFFICIENT_FUNDS",),
    "limit_exceeded": ("SPENDING_LIMIT_EXCEEDED", "RECEIVING_LIMIT_EXCEEDED", "TRANSACTION_LIMIT_EXCEEDED"),
    "not_permitted": ("AUTHORIZATION_ERROR", "SENDER_ACCOUNT_LOCKED", "REGULATORY_BLOCKED", "NOT_AUTHORIZED"),
    "rejected": ("RISK_DECLINE", "SELF_PAY_NOT_ALLOWED", "TRANSACTION_DECLINED_BY_TRAVEL_RULE"),
    "invalid_order": ("VALIDATION_ERROR", "INVALID_REQUEST"),
}
FAULTS = {name: fault for fault, names in _ERRORS.items() for name in names}


def make(settings: Settings, time: Time, resolve: Resolve) -> PayPal | None:
    """None without the id of our app. Raises RailMisconfigured."""
    if settings.rail_paypal_client_id is None:
        return None
    needed(settings, "rail_paypal_client_secret")
    return PayPal(settings, time, resolve)


def reader(settings: Settings) -> PayPalCallbacks | None:
    """None without the id of our webhook. Raises RailMisconfigured."""
    if settings.rail_paypal_webhook_id is None:
        return None
    needed(settings, "rail_paypal_certificate_file")
    keys = public_keys("rail_paypal_certificate_file", settings.rail_paypal_certificate_file or "")
    return PayPalCallbacks(settings.rail_paypal_webhook_id, keys)


@dataclass(frozen=True, slots=True)
class _Token:
    header: str
    until: datetime

    def __repr__(self) -> str:
        return f"_Token(until={self.until})"


class PayPal:
    def __init__(self, settings: Settings, time: Time, resolve: Resolve) -> None:
        self._settings = settings
        self._https, self._host = https_of(settings, settings.rail_paypal_url, time, resolve)
        self._time = time
        self._token: _Token | None = None
        self._one_at_a_time = asyncio.Lock()

    async def send(self, order: Order, key: str) -> Answer:
        token = await self._authorized()
        if isinstance(token, Answer):
            return token
        post = json_post(self._url(PAYOUTS), _batch(order, key))
        reply = await self._https.call(
            Post(post.url, {**post.headers, "authorization": token.header}, post.body), self._host
        )
        if isinstance(reply, Answer):
            return reply
        if reply.status == 401:
            self._token = None
            return reply.answer(
                "unavailable", "not_permitted", "takes no more calls with this token; it is sent again."
            )
        if reply.status == 429:
            return reply.answer("unavailable", "rate_limited", "takes no more for now; it is sent again later.")
        fields = fields_of(reply)
        if (first := _first_batch(fields)) is not None:
            return await self.look_up(key, first) or _unknown(reply)
        return _judge_sent(reply, fields, key)

    async def look_up(self, key: str, reference: str | None) -> Answer | None:
        if reference is None:
            return None
        token = await self._authorized()
        reply: Reply | Answer = token if isinstance(token, Answer) else await self._ask(token, reference)
        if isinstance(reply, Answer):
            return Answer("unknown", reply.code, reply.detail, reply.at, reference=reference)
        if reply.status == 401:
            self._token = None
        if reply.status != 200:
            return _unknown(reply)
        fields = fields_of(reply)
        items = fields.get("items")
        try:
            for item in items if isinstance(items, list) else []:
                if isinstance(item, dict) and _key_of(item) == key:
                    return standing_of_item(item).answer(self._host, reply.at)
            return _standing_of_batch(fields, key).answer(self._host, reply.at)
        except Unreadable:
            return _unknown(reply)

    async def _ask(self, token: _Token, batch_id: str) -> Reply | Answer:
        headers = {"accept": "application/json", "authorization": token.header}
        return await self._https.call(Get(self._url(f"{PAYOUTS}/{quote(batch_id, safe='')}"), headers), self._host)

    async def _authorized(self) -> _Token | Answer:
        """A token that is valid for another minute; without one nothing was sent."""
        async with self._one_at_a_time:
            if self._token is not None and self._token.until > self._time.now() + timedelta(minutes=1):
                return self._token
            reply = await self._https.call(self._token_request(), self._host)
            if isinstance(reply, Answer):
                return Answer("unavailable", reply.code, reply.detail, reply.at, retry_after_s=reply.retry_after_s)
            fields = fields_of(reply)
            token, life_s = fields.get("access_token"), fields.get("expires_in")
            if reply.status != 200 or not isinstance(token, str) or not isinstance(life_s, int):
                detail = f"answered {reply.status} and gave no token; check client id and secret of the rail."
                return reply.answer("unavailable", "not_permitted", detail)
            self._token = _Token(f"Bearer {token}", self._time.now() + timedelta(seconds=min(life_s, 86_400)))
            return self._token

    def _token_request(self) -> Post:
        secret = self._settings.rail_paypal_client_secret
        pair = f"{self._settings.rail_paypal_client_id}:{secret.get_secret_value() if secret else ''}"
        headers = {
            "authorization": f"Basic {b64encode(pair.encode()).decode()}",
            "content-type": "application/x-www-form-urlencoded",
        }
        return Post(self._url("/v1/oauth2/token"), headers, b"grant_type=client_credentials")

    def _url(self, path: str) -> str:
        return f"{self._settings.rail_paypal_url}{path}"


def _batch(order: Order, key: str) -> dict[str, object]:
    item = {
        "recipient_type": "EMAIL",
        "receiver": order.destination,
        "amount": {"value": _value(order), "currency": order.currency},
        "note": order.remittance[:NOTE_MAX],
        "sender_item_id": key,
    }
    return {"sender_batch_header": {"sender_batch_id": key}, "items": [item]}


def _value(order: Order) -> str:
    """In whole units where PayPal takes no decimals."""
    is_whole = order.currency in RAILS[RAIL].whole_units and order.amount == order.amount.to_integral_value()
    return str(int(order.amount)) if is_whole else str(order.amount)


def _judge_sent(reply: Reply, fields: Mapping[str, Any], key: str) -> Answer:
    """What the answer to a payout means. A named refusal of 4xx is of the whole batch: nothing is paid."""
    if reply.status in (200, 201, 202):
        try:
            return _standing_of_batch(fields, key).answer(reply.host, reply.at)
        except Unreadable:
            return _unknown(reply)
    name = fields.get("name")
    if not 400 <= reply.status < 500 or not isinstance(name, str):
        return _unknown(reply)
    fault = FAULTS.get(name)
    if fault == FUNDS:
        return reply.answer("unavailable", FUNDS, f"answered {word_of(name)}: our balance there is too low.")
    if fault is None:
        return reply.answer("unknown", "unexplained", f"answered {reply.status} {word_of(name)}.")
    return Standing("failed", fault, word_of(name)).answer(reply.host, reply.at)


def _unknown(reply: Reply) -> Answer:
    return reply.answer("unknown", "no_answer", f"answered {reply.status} without saying what became of the payout.")


def _first_batch(fields: Mapping[str, Any]) -> str | None:
    """PayPal's id of the batch that had this key first, from the error that names it."""
    if fields.get("name") not in ("USER_BUSINESS_ERROR", "DUPLICATE_REQUEST_ID", "BATCH_ALREADY_EXISTS"):
        return None
    links = fields.get("links")
    for link in links if isinstance(links, list) else []:
        href = link.get("href") if isinstance(link, dict) else None
        if isinstance(href, str) and (found := _LINK.search(href)):
            return found[1]
    return None


def _standing_of_batch(fields: Mapping[str, Any], key: str) -> Standing:
    """Of a batch whose items are not there yet. Raises Unreadable if it is not the batch of this key."""
    header = _object(fields.get("batch_header"))
    status, batch_id = header.get("batch_status"), header.get("payout_batch_id")
    own = _object(header.get("sender_batch_header")).get("sender_batch_id", key)
    if key_or_none(own) != key or not isinstance(batch_id, str):
        raise Unreadable("it is not the batch of the payout")
    outcome = _STATES.get(status) if isinstance(status, str) else None
    if outcome == "failed":
        return Standing(
            "failed",
            _UNCLAIMED.get(str(status)) or _REFUSALS.get(str(status), "unexplained"),
            word_of(status),
            batch_id,
        )
    # A batch that is through says nothing about its items.
    return Standing("accepted", "accepted", word_of(status), batch_id)


def standing_of_item(item: Mapping[str, Any]) -> Standing:
    """What an item says: of a look-up or a callback. Raises Unreadable."""
    status = item.get("transaction_status")
    error = _object(item.get("errors")).get("name")
    outcome = _STATES.get(status) if isinstance(status, str) else None
    amount = _object(_object(item.get("payout_item")).get("amount"))
    fee = _object(item.get("payout_item_fee")).get("value")
    batch_id = item.get("payout_batch_id")
    code: str = outcome or "unexplained"
    if outcome in ("failed", "returned"):
        code = _UNCLAIMED.get(str(status)) or FAULTS.get(str(error)) or _REFUSALS.get(str(status), "unexplained")
    return Standing(
        outcome or "unknown",
        code,
        f"{word_of(status)} {word_of(error)}" if error else word_of(status),
        batch_id if isinstance(batch_id, str) else None,
        amount_of(amount["value"]) if "value" in amount else None,
        str(amount.get("currency")) if "value" in amount else None,
        amount_of(fee) if fee is not None else None,
    )


def _key_of(item: Mapping[str, Any]) -> str | None:
    return key_or_none(_object(item.get("payout_item")).get("sender_item_id") or item.get("sender_item_id"))


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


class PayPalCallbacks:
    """Reads events of webhooks. PayPal signs the checksum of the raw body, with the id of our webhook."""

    def __init__(self, webhook_id: str, keys: Sequence[RSAPublicKey]) -> None:
        self._webhook_id = webhook_id
        self._keys = keys

    def read(
        self, headers: Mapping[str, str], raw_body: bytes, now: datetime
    ) -> tuple[ReportPayout, ...] | CallbackRefused:
        if not self._is_signed(headers, raw_body, now):
            return CallbackRefused("forged", "PayPal has not signed this for our webhook.")
        try:
            event = _object(json.loads(raw_body))
        except (ValueError, RecursionError):
            return CallbackRefused("unreadable", "The event is not JSON.")
        item, event_id = _object(event.get("resource")), event.get("id")
        if not str(event.get("event_type", "")).startswith("PAYMENT.PAYOUTS-ITEM."):
            return ()
        key = _key_of(item)
        if key is None or not isinstance(event_id, str):
            return CallbackRefused("unreadable", "The event names no payout of ours.")
        at = time_of(item.get("time_processed")) or time_of(event.get("create_time")) or now
        try:
            return (standing_of_item(item).report(key, RAIL, event_id, "callback", at),)
        except Unreadable as error:
            return CallbackRefused("unreadable", f"The event cannot be read: {error}.")

    def _is_signed(self, headers: Mapping[str, str], raw_body: bytes, now: datetime) -> bool:
        sent_id, sent_at = headers.get("paypal-transmission-id", ""), headers.get("paypal-transmission-time", "")
        at = time_of(sent_at)
        if headers.get("paypal-auth-algo") != "SHA256withRSA" or at is None or abs(now - at) > FRESH:
            return False
        signed = f"{sent_id}|{sent_at}|{self._webhook_id}|{zlib.crc32(raw_body)}".encode("utf-8", "replace")
        signature = headers.get("paypal-transmission-sig", "")
        return any(verifies(key, signature, signed) for key in self._keys)
