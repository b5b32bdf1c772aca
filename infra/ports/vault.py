"""Seals what says where money goes and who gets it, before it becomes a message; opens it where money is sent."""

from __future__ import annotations

from typing import Protocol


class CannotOpen(Exception):
    """A sealed value does not open. `code` is for programs; the text says what to do, and never holds the value."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Opens(Protocol):
    async def open(self, field: str, distributor_id: int, sealed: str) -> str:
        """The plain value. Raises CannotOpen: another master key, an erased payee, another payee or field, or
        damage.
        """
        ...


class Vault(Opens, Protocol):
    """Each payee has a key of their own under the master key. What was sealed for one payee and field opens for no
    other. `field` is the name of the field in the message, such as `destination`.
    """

    async def seal(self, field: str, distributor_id: int, plain: str) -> str:
        """The sealed value, `contracts.payees.fields.Sealed`; the same one for the same value, as long as the payee has
        the same key, so that a repeated request is the same command. Raises CannotOpen without a usable master key.
        """
        ...


class Seals(Vault, Protocol):
    """What a process at the edge needs."""

    async def fingerprint(self, plain: str) -> str:
        """A digest under a key of its own, equal for equal accounts of any payee. Raises CannotOpen."""
        ...
