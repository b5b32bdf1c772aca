"""The keys that another issuer publishes: one small JSON document over HTTPS."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from infra.ports.keys import KeysUnavailable

_ANSWER_WITHIN_S = 3.0
_BYTES_MAX = 256 * 1024
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Keys come from the configured address only; redirects are not followed."""

    def redirect_request(self, *_: Any) -> None:
        return None


async def fetch_json(url: str) -> dict[str, Any]:
    """Read one JSON object from `url`, which is https, or http on this machine. Raises KeysUnavailable."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise KeysUnavailable(f"{url} is neither https nor on this machine")
    return await asyncio.to_thread(_fetch, url)


def _fetch(url: str) -> dict[str, Any]:
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(url, timeout=_ANSWER_WITHIN_S) as answer:
            document = json.loads(answer.read(_BYTES_MAX))
    except (OSError, ValueError) as error:
        raise KeysUnavailable(f"{url} does not answer with keys: {error}") from error
    if not isinstance(document, dict):
        raise KeysUnavailable(f"{url} does not answer with a JSON object")
    return document
