"""Seals what says where money goes and who gets it, before it becomes a message; opens it where money is sent."""

from __future__ import annotations

from typing import Protocol


class CannotOpen(Exception):
    """A sealed value does not open. `code` is for programs; the text says what to do, and never holds the value."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Vault(Protocol):
    """Each payee has a key of their own under the master key. What was sealed for one payee and field opens for no
    other.
    """

    async def seal(self, field: str, distributor_id: int, plain: str) -> str:
        """The sealed value, `contracts.payees.fields.Sealed`. Raises CannotOpen without a usable master key."""
        ...

    async def open(self, field: str, distributor_id: int, sealed: str) -> str:
        """The plain value. Raises CannotOpen: another master key, an erased payee, another payee or field, or
        damage.
        """
        ...
