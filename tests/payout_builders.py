"""Events of payouts with defaults, as `payouts` publishes them: of the statement of the worked example."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from contracts.payouts.v1 import Conversion, PayoutFailed, PayoutPaid, PayoutReturned, PayoutStarted

PAYOUT = "default/2026-10/2/CNY"
SENT_AT = datetime(2026, 11, 1, 9, tzinfo=UTC)
TO_DOLLARS = Conversion(rate="1.0920/7.8000", source="treasury", as_of=SENT_AT, fee=Decimal("5.00"))
"""1000.00 CNY less 5.00 at 0.14 are 139.30 USD."""


def started(payable: str = "4200.00", **fields: Any) -> PayoutStarted:
    usual: dict[str, Any] = {
        "payout_id": PAYOUT,
        "distributor_id": 2,
        "payable": Decimal(payable),
        "statement_currency": "CNY",
        "left": Decimal("0.00"),
        "amount": Decimal(payable),
        "currency": "CNY",
        "rail": "manual",
        "started_at": SENT_AT,
    }
    return PayoutStarted(**{**usual, **fields})


def paid(amount: str = "4200.00", **fields: Any) -> PayoutPaid:
    return PayoutPaid(**_reported(amount, fields))


def failed(amount: str = "4200.00", **fields: Any) -> PayoutFailed:
    return PayoutFailed(**_reported(amount, {"code": "account_closed", "detail": "AC04", **fields}))


def returned(amount: str = "4200.00", **fields: Any) -> PayoutReturned:
    return PayoutReturned(**_reported(amount, {"code": "account_unknown", "detail": "AC01", **fields}))


def in_dollars(payout_id: str = PAYOUT, **fields: Any) -> dict[str, Any]:
    """The fields of what is sent in another currency."""
    return {"payout_id": payout_id, "currency": "USD", **fields}


def _reported(amount: str, fields: dict[str, Any]) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "payout_id": PAYOUT,
        "attempt": 1,
        "distributor_id": 2,
        "amount": Decimal(amount),
        "currency": "CNY",
        "rail": "manual",
        "at": SENT_AT,
    }
    return {**usual, **fields}
