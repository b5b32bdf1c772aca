"""Signatures of Standard Webhooks 1.0.0: HMAC-SHA256 over id, time and body, one for each secret of the receiver."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from datetime import datetime

SECRET_BYTES_MIN = 24
SECRET_BYTES_MAX = 64
SECRETS_MAX = 3
"""More than two are only needed if a rotation begins before the last one ended."""

_PREFIX = "whsec_"


class BadSecret(ValueError):
    """The secret cannot sign. The text states which form it needs, and never repeats it."""


def secrets_of(text: str | None) -> tuple[bytes, ...]:
    """The keys in a text of one secret, or of several with spaces between them, the newest first."""
    written = (text or "").split()
    keys = tuple(_key_of(each) for each in written)
    if not 1 <= len(keys) <= SECRETS_MAX or not all(SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX for key in keys):
        raise BadSecret(
            f"Write the secret as whsec_ and {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} random bytes in base64; during a "
            f"rotation up to {SECRETS_MAX} of them, with spaces between."
        )
    return keys


def signed_headers(key: str, at: datetime, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """`key` is the same for each attempt, `at` is the time of this one."""
    seconds = str(int(at.timestamp()))
    content = b".".join((key.encode(), seconds.encode(), body))
    signatures = (b64encode(hmac.digest(secret, content, "sha256")).decode() for secret in secrets)
    return {
        "webhook-id": key,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _key_of(secret: str) -> bytes:
    """Empty if the form is wrong, which is then refused for its length."""
    try:
        return b64decode(secret.removeprefix(_PREFIX), validate=True) if secret.startswith(_PREFIX) else b""
    except NotBase64:
        return b""
