"""Sums beyond 64 bits. MongoDB refuses to add whole numbers beyond them; as decimals of 34 digits it adds them exactly.

A field becomes a decimal when a sum first needs it, and is read as a whole number either way.
"""

from __future__ import annotations

from typing import Any

from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry
from bson.decimal128 import Decimal128

from infra.ports.store import Document

_INT_MAX = 2**63 - 1


class _WholeNumbers(TypeDecoder):
    bson_type = Decimal128

    def transform_bson(self, value: Decimal128) -> int:
        return int(value.to_decimal())


OPTIONS: CodecOptions[Document] = CodecOptions(tz_aware=True, type_registry=TypeRegistry([_WholeNumbers()]))
"""Times are read with their zone: everything in this system is UTC."""


def as_decimal(amount: int) -> Decimal128:
    return Decimal128(str(amount))


def storable(value: Any) -> Any:
    """A document, or a part of it, with decimals for the whole numbers beyond 64 bits."""
    if isinstance(value, dict):
        return {name: storable(part) for name, part in value.items()}
    return as_decimal(value) if isinstance(value, int) and abs(value) > _INT_MAX else value
