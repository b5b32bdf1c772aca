"""The rail `iso20022`: our bank takes a file pain.001 over HTTPS. It says at once, when asked, and in its files what
became of it.

A file that comes again is a duplicate for the bank, so that a key is paid once. The bank answers with a pain.002, or
with a JSON object that has the same codes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from contracts.payouts.v1 import ReportOutcome
from contracts.wire.answer import Answer
from infra.adapters.outside.https import Get, Https, Post, Reply
from infra.adapters.outside.rails.bank_files import statuses_of
from infra.adapters.outside.rails.configured import https_of, needed
from infra.adapters.outside.rails.iso_codes import DUPLICATES, STATES, fault_of, standing_of
from infra.adapters.outside.rails.pain001 import Debtor, NotAnIban, pain001
from infra.adapters.outside.rails.standing import Standing, Unreadable, word_of
from infra.adapters.outside.robot import fields_of
from infra.ports.rails import ABSENT, Order
from infra.ports.time import Time
from infra.rail_settings import KEY_PLACE
from infra.receivers.guard import Resolve
from infra.settings import Settings

RAIL = "iso20022"
_WORDS: Mapping[str, ReportOutcome] = {"accepted": "accepted", "rejected": "failed", "returned": "returned"}
"""Statuses of a payment that some banks write instead of codes."""


def make(settings: Settings, time: Time, resolve: Resolve) -> Iso20022 | None:
    """None without an address of the bank. Raises RailMisconfigured."""
    if settings.rail_iso20022_url is None:
        return None
    needed(settings, "rail_iso20022_debtor_name", "rail_iso20022_debtor_iban")
    https, host = https_of(settings, settings.rail_iso20022_url, time, resolve)
    status = settings.rail_iso20022_status_url
    asking = https_of(settings, status, time, resolve) if status else None
    return Iso20022(settings, https, host, asking, time)


class Iso20022:
    def __init__(
        self, settings: Settings, https: Https, host: str, asking: tuple[Https, str] | None, time: Time
    ) -> None:
        self._url = settings.rail_iso20022_url or ""
        self._status_url = settings.rail_iso20022_status_url or ""
        self._authorization = settings.rail_iso20022_authorization
        self._debtor = Debtor(
            settings.rail_iso20022_debtor_name or "",
            settings.rail_iso20022_debtor_iban or "",
            settings.rail_iso20022_debtor_bic,
        )
        self._https, self._host, self._asking, self._time = https, host, asking, time

    async def send(self, order: Order, key: str) -> Answer:
        try:
            body = pain001(order, key, self._debtor, self._time.now())
        except NotAnIban:
            detail = "The account is not an IBAN, so nothing was sent: the payee sets it once more."
            return Answer("refused", "account_unknown", detail, self._time.now())
        headers = {"content-type": "application/xml; charset=utf-8"} | self._headers()
        reply = await self._https.call(Post(self._url, headers, body), self._host)
        if not isinstance(reply, Reply):
            return reply
        if is_duplicate(reply, key) and (found := await self.look_up(key, None)):
            return found
        return judge_sent(reply, key)

    async def look_up(self, key: str, reference: str | None) -> Answer | None:
        if self._asking is None:
            return None
        https, host = self._asking
        reply = await https.call(Get(self._status_url.replace(KEY_PLACE, key), self._headers()), host)
        return judge_asked(reply, key) if isinstance(reply, Reply) else _not_asked(reply)

    def _headers(self) -> dict[str, str]:
        accepted = {"accept": "application/xml, application/json"}
        if self._authorization is None:
            return accepted
        return accepted | {"authorization": self._authorization.get_secret_value()}


def is_duplicate(reply: Reply, key: str) -> bool:
    """Whether the bank has the file already, and so says nothing about what became of it."""
    standing = _standing_in(reply, key)
    return standing is not None and standing.rail_code.split()[-1] in DUPLICATES


def judge_sent(reply: Reply, key: str) -> Answer:
    """What the answer to a file means. A status that refuses without a code of ISO 20022 refuses the request, not the
    payment: the same file is sent again later.
    """
    if standing := _standing_in(reply, key):
        return standing.answer(reply.host, reply.at)
    if 200 <= reply.status < 300 and reply.body == b"":
        return reply.answer("done", "accepted", f"answered {reply.status}.")
    if reply.status == 429:
        return reply.answer("unavailable", "rate_limited", "takes no more files for now; it is sent again later.")
    if 400 <= reply.status < 500 and reply.status not in (408, 409):
        detail = f"answered {reply.status} and took no file; check address and authorization of the rail."
        return reply.answer("unavailable", "rejected", detail)
    return unreadable(reply)


def judge_asked(reply: Reply, key: str) -> Answer:
    """What the answer to a question means. That the key is absent is believed only of a JSON object that names the key
    as a word of its own: a wrong address answers 404 too, and repeats the address.
    """
    named = re.search(rf"""[\s"']{key}(?![\w/-])""", (reply.body or b"").decode("utf-8", "replace"), re.IGNORECASE)
    if reply.status == 404 and named and fields_of(reply):
        return reply.answer("done", ABSENT, "does not know the payment.")
    if 200 <= reply.status < 300 and (standing := _standing_in(reply, key)):
        return standing.answer(reply.host, reply.at)
    return unreadable(reply)


def unreadable(reply: Reply) -> Answer:
    return reply.answer("unknown", "no_answer", f"answered {reply.status} without saying what became of the payment.")


def _not_asked(answer: Answer) -> Answer:
    """A question without an answer leaves the payment as unknown as it was."""
    return Answer("unknown", answer.code, answer.detail, answer.at, retry_after_s=answer.retry_after_s)


def _standing_in(reply: Reply, key: str) -> Standing | None:
    if reply.body is None:
        return None
    try:
        for status in statuses_of(reply.body):
            if status.key == key:
                return status.standing
    except Unreadable:
        return _standing_in_json(fields_of(reply), key)
    return None


def _standing_in_json(fields: Mapping[str, Any], key: str) -> Standing | None:
    """Of an object with a code of ISO 20022 as its status, and the reason beside it or beside the one payment."""
    payments = fields.get("payments")
    own = payments[0] if isinstance(payments, list) and payments and isinstance(payments[0], dict) else fields
    named = own.get("end_to_end_id", fields.get("msg_id", key))
    status = fields.get("transactionStatus", fields.get("status"))
    reason = own.get("reason") or fields.get("reason") or own.get("return_reason")
    reason = reason if isinstance(reason, str) else None
    if named != key or not isinstance(status, str):
        return None
    if status in STATES:
        return standing_of(status, reason)
    outcome = _WORDS.get(status)
    if outcome is None:
        return None
    if outcome == "accepted":
        outcome = "paid" if fields.get("booked_at") else "accepted"
        return Standing(outcome, outcome, status)
    if outcome == "failed":
        return standing_of("RJCT", reason)
    return Standing("returned", fault_of(reason), word_of(reason))
