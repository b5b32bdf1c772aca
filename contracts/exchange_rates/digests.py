"""What two persons agree on: the digest of a table of rates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime


def table_digest(
    source: str, base: str, as_of: datetime, rates: Mapping[str, str], spread_ppm: int, *, confirm_jump: bool
) -> str:
    """The SHA-256 digest of a table, which an approval names."""
    plain = [source, base, as_of.isoformat(), dict(rates), spread_ppm, confirm_jump]
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
