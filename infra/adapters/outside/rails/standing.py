"""What a rail says about one payment, in our words: an answer to a call, or a report of a callback or file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Literal

from pydantic import ValidationError

from contracts.payouts.v1 import ReportOutcome, ReportPayout
from contracts.wire.answer import Answer

_VISIBLE = re.compile(r"[!-~]{1,128}")
_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,5})?")
_KEY = re.compile(r"[0-9a-f]{32}")
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Unreadable(Exception):
    """The rail's text does not have the form of its documents. The message says what is missing."""


@dataclass(frozen=True, slots=True)
class Standing:
    """`code` is the outcome's word, or a fault of ours. `rail_code` is what the rail itself calls it."""

    outcome: ReportOutcome
    code: str
    rail_code: str
    reference: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    fee: Decimal | None = None

    def answer(self, rail: str, at: datetime) -> Answer:
        """`fault` is among the facts of a payment that was returned: its code is the outcome."""
        detail = f"{rail} answered {self.rail_code}."
        reference = visible_or_none(self.reference)
        if self.outcome == "unknown":
            return Answer("unknown", self.code, detail, at, reference=reference)
        if self.outcome == "failed":
            return Answer("refused", self.code, detail, at, reference=reference, facts=self._facts())
        facts = self._facts() | ({"fault": self.code} if self.outcome == "returned" else {})
        return Answer("done", self.outcome, detail, at, reference=reference, facts=facts)

    def report(
        self, key: str, rail: str, report_id: str, source: Literal["callback", "file"], at: datetime
    ) -> ReportPayout:
        """Raises Unreadable if the rail named values that no message holds."""
        try:
            return ReportPayout(
                key=key,
                rail=rail,
                report_id=visible_id(report_id),
                outcome=self.outcome,
                code=self.code,
                source=source,
                occurred_at=at,
                reference=visible_or_none(self.reference),
                amount=self.amount,
                currency=self.currency if self.amount is not None else None,
                fee=self.fee,
            )
        except ValidationError as error:
            raise Unreadable("an amount or currency in it is not one") from error

    def _facts(self) -> dict[str, str]:
        facts: dict[str, str] = {}
        if self.amount is not None and self.currency is not None:
            facts |= {"amount": str(self.amount), "currency": self.currency}
        if self.fee is not None:
            facts["fee"] = str(self.fee)
        return facts


def visible_or_none(text: str | None) -> str | None:
    """A rail's own id as messages hold it."""
    return text if text is not None and _VISIBLE.fullmatch(text) else None


def visible_id(text: str) -> str:
    """The id itself, or its digest if messages cannot hold it."""
    return text if _VISIBLE.fullmatch(text) else sha256(text.encode()).hexdigest()


def key_or_none(text: object) -> str | None:
    """The key of an attempt, if the text is one; some banks write it in capitals."""
    lower = text.strip().lower() if isinstance(text, str) else ""
    return lower if _KEY.fullmatch(lower) else None


def word_of(value: object) -> str:
    """A rail's code that may be shown: what does not look like a code could hold data of the payee."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else "an unreadable code"


def amount_of(text: object) -> Decimal:
    """A decimal that a rail wrote. Raises Unreadable."""
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text.strip()):
        raise Unreadable("an amount in it is not a decimal number")
    try:
        return Decimal(text.strip())
    except InvalidOperation as error:
        raise Unreadable("an amount in it is not a decimal number") from error


def time_of(text: object) -> datetime | None:
    """An ISO 8601 time or date; without a zone it is taken as UTC."""
    try:
        at = datetime.fromisoformat(text.strip()) if isinstance(text, str) else None
    except ValueError:
        return None
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)
