"""Signed webhooks, whatever they carry: the request and what its answer means."""

from __future__ import annotations

from datetime import datetime

from infra.adapters.outside.https import Post
from infra.receivers.addresses import Address
from infra.receivers.signing import secrets_of, signed_headers

BODY_BYTES_MAX = 20_000
"""Standard Webhooks advises receivers to accept at most this much."""


def signed_post(address: Address, key: str, at: datetime, body: bytes) -> Post:
    """Raises BadSecret."""
    signature = signed_headers(key, at, body, secrets_of(address.secret))
    return Post(address.url, {"content-type": "application/json", **signature}, body)
