"""Webhooks of shops: CloudEvents in structured form, signed as Standard Webhooks, with each secret that is valid."""

from __future__ import annotations

from contracts.webhooks.v1 import WebhookDue
from contracts.webhooks.view import WEBHOOKS
from contracts.wire.answer import WITHHELD, Answer
from contracts.wire.envelope import STRUCTURED
from infra.adapters.outside.channels import trusted_by
from infra.adapters.outside.https import Https, Post, Reply, answer_of_status
from infra.adapters.outside.signed import signed_post
from infra.ports.outside import Outside
from infra.ports.store import Reader, StoreUnavailable
from infra.ports.time import RealTime, Time
from infra.receivers.addresses import Address
from infra.receivers.guard import Guard, Resolve, resolve
from infra.receivers.shop_webhooks import guard_of_shops, open_secret, open_url
from infra.receivers.signing import BadSecret
from infra.sealing import CannotUnseal
from infra.settings import Settings


def shop_webhooks(
    settings: Settings, reader: Reader, time: Time | None = None, resolve: Resolve = resolve
) -> Outside[WebhookDue]:
    return _ShopWebhooks(settings, reader, time or RealTime(), guard_of_shops(settings, resolve))


class _ShopWebhooks:
    def __init__(self, settings: Settings, reader: Reader, time: Time, guard: Guard) -> None:
        self._settings = settings
        self._reader = reader
        self._time = time
        self._https = Https(guard, trusted_by(settings.outside_ca_file), settings.shops_deadline_s, time)

    def destination(self, request: WebhookDue) -> str:
        """Each webhook by itself: the failures of one do not pause another at the same host."""
        return f"webhook {request.webhook_id} {request.host}"

    async def send(self, request: WebhookDue, key: str) -> Answer:
        """A webhook that was disabled or removed meanwhile is not called."""
        if reason := await self._withheld(request.webhook_id):
            return Answer("unavailable", WITHHELD, reason, self._time.now())
        try:
            post = self._post(request)
        except CannotUnseal:
            detail = "The address does not open: the secret that seals it has changed. Define the webhook once more."
            return Answer("refused", "cannot_unseal", detail, self._time.now())
        except BadSecret as error:
            return Answer("refused", "secret_invalid", str(error), self._time.now())
        reply = await self._https.call(post, request.host)
        return answer_of_status(reply) if isinstance(reply, Reply) else reply

    async def look_up(self, request: WebhookDue, key: str) -> Answer | None:
        """None: receivers recognise a repeat by `webhook-id`."""
        return None

    async def _withheld(self, webhook_id: str) -> str | None:
        try:
            found = await self._reader.find(WEBHOOKS, {"_id": webhook_id}, fields=("state",))
        except StoreUnavailable:
            return "The database did not answer whether the webhook is enabled."
        is_enabled = any(webhook["state"] == "enabled" for webhook in found)
        return None if is_enabled else "The webhook was disabled or removed before the call."

    def _post(self, request: WebhookDue) -> Post:
        secret = self._settings.delivery_secret
        secrets = [open_secret(sealed, request.webhook_id, secret) for sealed in request.secrets]
        address = Address(open_url(request.address, request.webhook_id, secret), " ".join(secrets))
        return signed_post(address, request.delivery_id, self._time.now(), request.event.encode(), STRUCTURED)
