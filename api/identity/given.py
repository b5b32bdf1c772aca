"""Input about people, with the same bounds over HTTP and on the command line."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from contracts.fields import visible_address

AnyEmail = Annotated[
    str,
    Field(
        min_length=3,
        max_length=254,
        # Only some regex dialects treat U+0085 as a space, so it is named.
        pattern=r"^[^@\s\x00-\x1f\x7f-\x9f]{1,64}@[^@\s\x00-\x1f\x7f-\x9f]{1,190}$",
        examples=["lin@example.com"],
    ),
]
"""An address to look for: it may have been given before all characters had to be visible."""

Email = Annotated[AnyEmail, AfterValidator(visible_address)]
"""The address of a new user."""
