"""The hash of an audit entry, and the code that only a holder of TRIBUTARY_IDENTITY_SECRET can make."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from infra.settings import Settings

_UNCODED = frozenset({"hash", "mac"})


def hash_of(document: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON of everything but the hash itself and its code."""
    content = {name: value for name, value in document.items() if name not in _UNCODED}
    content["at"] = content["at"].astimezone(UTC).isoformat(timespec="milliseconds")
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


class AuditKey:
    """HMAC-SHA256 with a key of its own, derived from the secret. An entry's hash covers all entries before it."""

    def __init__(self, secret: str) -> None:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"tributary audit log")
        self._key = derived.derive(secret.encode())

    @classmethod
    def of(cls, settings: Settings) -> AuditKey | None:
        """None where no secret is set: then the log is chained, and not keyed."""
        return cls(settings.identity_secret.get_secret_value()) if settings.identity_secret else None

    def of_entry(self, entry_hash: str) -> str:
        return self._code(f"entry {entry_hash}")

    def of_head(self, number: int, entry_hash: str) -> str:
        """Differs from the entry's own code, so that an entry further up cannot serve as the head."""
        return self._code(f"head {number} {entry_hash}")

    def _code(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def is_same(stored: object, code: str) -> bool:
    return isinstance(stored, str) and hmac.compare_digest(stored.encode("utf-8", "replace"), code.encode())
