"""Signed webhooks, whatever they carry: the request of a call."""

from __future__ import annotations

from datetime import datetime

from infra.adapters.outside.https import Post
from infra.receivers.addresses import Address
from infra.receivers.signing import secrets_of, signed_headers

BODY_BYTES_MAX = 20_000
"""Standard Webhooks advises receivers to accept at most this much."""


def signed_post(address: Address, key: str, at: datetime, body: bytes, content_type: str = "application/json") -> Post:
    """A request that each of the address's secrets signs. Raises BadSecret."""
    signature = signed_headers(key, at, body, secrets_of(address.secret))
    return Post(address.url, {"content-type": content_type, **signature}, body)
