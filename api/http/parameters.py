"""Numbers in addresses and queries: as JSON writes them, not in every form that Python reads."""

from __future__ import annotations

from pydantic import BeforeValidator
from pydantic_core import PydanticKnownError

from contracts.numbers import is_whole


def _plain(value: object) -> object:
    if isinstance(value, str) and not is_whole(value):
        raise PydanticKnownError("int_parsing")
    return value


AS_IN_JSON = BeforeValidator(_plain)
"""Refuses `1_0`, `+1`, `01`, `1.0` and ` 1`, which the schema does not allow but Python reads.

In an annotation it comes after the limits: before them, it would remove them from the schema.
"""
