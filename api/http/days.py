"""A day in a request: text, never a number, which pydantic would read as seconds since 1970."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

_TEXT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _text(value: object) -> object:
    if isinstance(value, date) or (isinstance(value, str) and _TEXT.fullmatch(value)):
        return value
    raise PydanticCustomError("date_type", "Write the day as text, for example 2026-11-22")


Day = Annotated[date, BeforeValidator(_text)]
