"""The rails that the API of these tests has: PayPal, whose events a key of the tests signs, and payments by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from tests.bank.bank import Bank, new_id
from tests.bank.paypal import CLIENT_ID, WEBHOOK_ID, PayPalDialect

PAYPAL = PayPalDialect(Bank())


def rail_settings(folder: Path) -> dict[str, Any]:
    """Nothing listens at the address: what is sent is `unavailable`, and only callbacks say that it was paid."""
    certificate = folder / "paypal.pem"
    certificate.write_bytes(PAYPAL.certificate())
    return {
        "rail_paypal_url": "https://127.0.0.1:1",
        "rail_paypal_client_id": CLIENT_ID,
        "rail_paypal_client_secret": SecretStr(PAYPAL.secret),
        "rail_paypal_webhook_id": WEBHOOK_ID,
        "rail_paypal_certificate_file": str(certificate),
    }


def paid_event(key: str, amount: str, currency: str, **changed: Any) -> bytes:
    """The body of an event of PayPal: the payment with this key was made."""
    item = {
        "payout_item_id": "ITEM1",
        "transaction_status": "SUCCESS",
        "payout_batch_id": "BATCH1",
        "payout_item": {"amount": {"currency": currency, "value": amount}, "receiver": "r", "sender_item_id": key},
        "time_processed": "2026-11-03T08:00:00Z",
    }
    event = {
        "id": f"WH-{new_id()}",
        "create_time": "2026-11-03T08:00:00Z",
        "event_type": "PAYMENT.PAYOUTS-ITEM.SUCCEEDED",
        "resource": item,
        **changed,
    }
    return json.dumps(event).encode()
