"""What two persons agree on: the digest of terms, and of an adjustment."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import TypeAdapter

from contracts.settlement.view import Terms

_terms: TypeAdapter[Terms] = TypeAdapter(Terms)


def digest_of(terms: Terms) -> str:
    """The SHA-256 digest of the terms, which an approval names."""
    return _digest(_terms.dump_python(terms, mode="json"))


def adjustment_digest(
    kind: str, market: str, distributor_id: int, currency: str, amount_minor: int, reason: str, note: str
) -> str:
    """The SHA-256 digest of an adjustment, which an approval names."""
    return _digest([kind, market, distributor_id, currency, amount_minor, reason, note])


def _digest(plain: Any) -> str:
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
