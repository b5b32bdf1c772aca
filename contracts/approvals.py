"""Approvals by persons who are independent of those before them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

IndependentOf = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] | None,
    Field(
        max_length=8,
        description="Those who proposed or approved it before, and of whom the approver is independent. Absent if that "
        "was not checked, as on the command line.",
        examples=[["li.na"]],
    ),
]


def unchecked_detail(independent_of: Iterable[str] | None, before: Iterable[str], approver: str) -> str | None:
    """Why this approval does not count: a person proposed or approved it since the approver's independence was checked;
    None if there is none. `before` are all who did.
    """
    if independent_of is None:
        return None
    checked = {person.casefold() for person in (*independent_of, approver)}
    between = next((person for person in before if person.casefold() not in checked), None)
    if between is None:
        return None
    return f"approved_by: {between} has proposed or approved it meanwhile; read it again, then approve it."
