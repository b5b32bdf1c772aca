"""Numbers in addresses and queries: as JSON writes them, not in every form that Python reads."""

from __future__ import annotations

import re

from pydantic import BeforeValidator
from pydantic_core import PydanticKnownError

is_whole_number = re.compile(r"-?(?:0|[1-9][0-9]*)").fullmatch
"""Whether a text is a whole number as JSON writes it."""


def _plain(value: object) -> object:
    if isinstance(value, str) and is_whole_number(value) is None:
        raise PydanticKnownError("int_parsing")
    return value


AS_IN_JSON = BeforeValidator(_plain)
"""Refuses `1_0`, `+1`, `01`, `1.0` and ` 1`, which the schema does not allow but Python reads.

In an annotation it comes after the limits: before them, it would remove them from the schema.
"""
