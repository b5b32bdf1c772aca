"""Input about people, with the same bounds over HTTP and on the command line."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from api.identity.passwords import normalized_email
from contracts.fields import visible_address

EMAIL_MAX = 254

AnyEmail = Annotated[
    str,
    Field(
        min_length=3,
        max_length=EMAIL_MAX,
        # Only some regex dialects treat U+0085 as a space, so it is named.
        pattern=r"^[^@\s\x00-\x1f\x7f-\x9f]{1,64}@[^@\s\x00-\x1f\x7f-\x9f]{1,190}$",
        examples=["lin@example.com"],
    ),
]
"""An address to look for: it may have been given before all characters had to be visible."""


def _short_when_normalized(email: str) -> str:
    if len(normalized_email(email)) > EMAIL_MAX:
        raise ValueError(f"write it in characters that stand for themselves, {EMAIL_MAX} in all")
    return email


Email = Annotated[AnyEmail, AfterValidator(visible_address), AfterValidator(_short_when_normalized)]
"""The address of a new user."""
