"""All channels as one destination of the performer: finds the channel of a notification, and opens its address."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from contracts.notifications.v1 import NotificationDue
from contracts.wire.answer import Answer
from infra.adapters.outside import dingtalk, feishu, slack, webhook, wecom
from infra.adapters.outside.email import Email
from infra.adapters.outside.https import Https, Post, Reply
from infra.ports.outside import Outside
from infra.ports.time import RealTime, Time
from infra.receivers.addresses import SETTING, Address, open_address
from infra.receivers.guard import Guard, ReceiverRefused, Resolve, resolve
from infra.receivers.signing import BadSecret
from infra.sealing import CannotUnseal
from infra.settings import Settings


class HttpChannel(Protocol):
    """The two pure functions of a channel's file."""

    def compose(self, due: NotificationDue, address: Address, key: str, at: datetime) -> Post:
        """The request of one attempt. Raises BadSecret, or ReceiverRefused."""
        ...

    def judge(self, reply: Reply) -> Answer:
        """What the receiver's reply means."""
        ...


HTTP_CHANNELS: Mapping[str, HttpChannel] = {
    "webhook": webhook,
    "wecom": wecom,
    "dingtalk": dingtalk,
    "feishu": feishu,
    "slack": slack,
}


def channels(settings: Settings, time: Time | None = None, resolve: Resolve = resolve) -> Outside[NotificationDue]:
    return _Channels(settings, time or RealTime(), Guard(settings.outside_allowed, resolve))


class _Channels:
    def __init__(self, settings: Settings, time: Time, guard: Guard) -> None:
        certificates = trusted_by(settings.outside_ca_file)
        self._settings = settings
        self._time = time
        self._email = Email(settings, certificates, time)
        self._https = Https(guard, certificates, settings.outside_deadline_s, time)

    def destination(self, request: NotificationDue) -> str:
        channel = request.channel
        host = self._settings.smtp_host if channel.kind == "email" else channel.host
        return f"{channel.kind} {host}"

    async def send(self, request: NotificationDue, key: str) -> Answer:
        if request.channel.kind == "email":
            return await self._email.send(request, key)
        http_channel = HTTP_CHANNELS.get(request.channel.kind)
        if http_channel is None:
            detail = f"This release has no channel {request.channel.kind}: update it, or define the route again."
            return Answer("refused", "channel_unknown", detail, self._time.now())
        try:
            address = open_address(request.channel.sealed or "", request.route_id, self._settings.delivery_secret)
            post = http_channel.compose(request, address, key, self._time.now())
        except CannotUnseal:
            detail = (
                f"The address of route {request.route_id} does not open: set {SETTING} as it was when the route was "
                "defined, or define the route again."
            )
            return Answer("refused", "cannot_unseal", detail, self._time.now())
        except ReceiverRefused as error:
            return Answer("refused", error.code, error.detail, self._time.now())
        except BadSecret as error:
            return Answer("refused", "secret_invalid", str(error), self._time.now())
        reply = await self._https.call(post, request.channel.host or "")
        return http_channel.judge(reply) if isinstance(reply, Reply) else reply

    async def look_up(self, request: NotificationDue, key: str) -> Answer | None:
        """None: no channel can be asked. Webhooks and mail programs recognise a repeat by the key; readers of a chat
        recognise it by the number in the text, and an alert that comes twice is better than one that does not come.
        """
        return None


CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2. Without DHE, whose size the receiver chooses: with 10,000 bits a handshake takes a second of processor,
in which no other call goes on. Receivers that are kept up to date offer ECDHE.
"""


class UnreadableCertificates(Exception):
    """The file of trusted certificates has none; the text says what to do."""


def trusted_by(ca_file: str | None) -> ssl.SSLContext:
    """The system's certificates, and those of the file. Raises UnreadableCertificates."""
    context = ssl.create_default_context()
    context.set_ciphers(CIPHERS)
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            raise UnreadableCertificates(
                f"TRIBUTARY_OUTSIDE_CA_FILE: {ca_file} has no certificates in PEM; name another."
            ) from error
    return context
