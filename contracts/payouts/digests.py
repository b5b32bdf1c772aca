"""What persons approve: the digest of everything that a batch sends."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from pydantic import TypeAdapter

from contracts.payouts.view import Line

_lines: TypeAdapter[list[Line]] = TypeAdapter(list[Line])


def batch_digest(market: str, lines: Iterable[Line]) -> str:
    """The SHA-256 digest of the lines of a batch: amounts, and methods with their versions."""
    plain = [market, _lines.dump_python(list(lines), mode="json")]
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
