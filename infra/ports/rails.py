"""A rail: one way by which money is sent. What each rail promises is data in `contracts/payouts/rails.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from contracts.money import to_amount
from contracts.payouts.v1 import ReportPayout
from contracts.wire.answer import Answer

ABSENT = "absent"
"""The code of an answer: the rail certainly does not know the key."""


@dataclass(frozen=True, slots=True)
class Order:
    """A payment with its opened fields: it exists only while it is sent, and is written nowhere."""

    payout_id: str
    distributor_id: int
    amount_minor: int
    currency: str
    country: str
    remittance: str
    holder: str = field(repr=False)
    destination: str = field(repr=False)
    bank_code: str | None = None

    @property
    def amount(self) -> Decimal:
        return to_amount(self.amount_minor, self.currency)


class PaymentRail(Protocol):
    """Makes the calls of one rail. It never raises for what the rail does: that is an answer.

    `done` has one of the codes accepted, awaiting_payee, paid, returned and, of a look-up, absent. `refused` has a
    fault of `contracts/payouts/faults.py`: it failed for good. `unavailable`: the rail certainly did not take it.
    Everything else is `unknown`.

    Too little money on our own account is `unavailable` while the key is free, so that it is sent again. It is
    `refused` if the rail made a payment of the key and rejected it, so that only another key can be paid.
    """

    async def send(self, order: Order, key: str) -> Answer: ...

    async def look_up(self, key: str, reference: str | None) -> Answer | None:
        """What became of the key; `reference` is the rail's own id of it, if it is known. It never sends. None if the
        rail cannot be asked, but recognises a key that comes again.
        """
        ...


@dataclass(frozen=True, slots=True)
class CallbackRefused:
    """A callback that is not believed. `code`: `forged` or `unreadable`, or `not_configured` if there is nothing to
    check it with.
    """

    code: str
    detail: str


class CallbackReader(Protocol):
    """Verifies the callbacks of one rail over the raw body, and reads them. Header names are in lower case."""

    def read(
        self, headers: Mapping[str, str], raw_body: bytes, now: datetime
    ) -> tuple[ReportPayout, ...] | CallbackRefused: ...


class Callbacks(Protocol):
    """Reads the callbacks of all rails."""

    def read(
        self, rail: str, headers: Mapping[str, str], raw_body: bytes
    ) -> tuple[ReportPayout, ...] | CallbackRefused: ...
