"""Addresses and secrets of shops' webhooks: sealed where they are defined, opened only by the process that sends."""

from __future__ import annotations

import os
from base64 import b64encode

from pydantic import SecretStr

from infra.receivers.addresses import SETTING
from infra.receivers.guard import Guard, Resolve, resolve
from infra.receivers.signing import SECRET_BYTES_MIN
from infra.sealing import CannotUnseal, seal, unseal
from infra.settings import Settings


def guard_of_shops(settings: Settings, resolve: Resolve = resolve) -> Guard:
    """For addresses that shops give: what is allowed for routes of our own is not allowed for them."""
    return Guard(settings.shops_outside_allowed, resolve, setting="TRIBUTARY_SHOPS_OUTSIDE_ALLOWED")


def new_secret() -> str:
    """A secret as Standard Webhooks writes it. It is shown once, to who defines or rotates."""
    return f"whsec_{b64encode(os.urandom(SECRET_BYTES_MIN)).decode()}"


def seal_url(url: str, webhook_id: str, secret: SecretStr) -> str:
    return seal(url.encode(), secret.get_secret_value(), name=_address(webhook_id), setting=SETTING)


def seal_secret(text: str, webhook_id: str, secret: SecretStr) -> str:
    return seal(text.encode(), secret.get_secret_value(), name=_secret(webhook_id), setting=SETTING)


def open_url(sealed: str, webhook_id: str, secret: SecretStr | None) -> str:
    """Raises CannotUnseal: another secret or none, another webhook, or a changed text."""
    return _open(sealed, _address(webhook_id), secret)


def open_secret(sealed: str, webhook_id: str, secret: SecretStr | None) -> str:
    """Raises CannotUnseal."""
    return _open(sealed, _secret(webhook_id), secret)


def _open(sealed: str, name: str, secret: SecretStr | None) -> str:
    if secret is None:
        raise CannotUnseal(f"{SETTING} is not set")
    return unseal(sealed, secret.get_secret_value(), name=name, setting=SETTING).decode()


def _address(webhook_id: str) -> str:
    return f"address of webhook {webhook_id}"


def _secret(webhook_id: str) -> str:
    return f"secret of webhook {webhook_id}"
