"""mock-bank, an ISO 20022 bank by other authors, on loopback, and what a test asks of its control plane."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

from mockbank.server import Config, make_server

HOUSE_ACCOUNT = "ACME"
HOUSE_IBAN = "NL41MOCK0000000001"
"""The account of that bank that payouts are paid from."""


@dataclass(frozen=True)
class MockBank:
    url: str

    def settings(self) -> dict[str, Any]:
        """What the rail `iso20022` needs in order to pay here."""
        return {
            "rail_iso20022_url": f"{self.url}/payments",
            "rail_iso20022_status_url": f"{self.url}/_mock/payments/{{key}}",
            "rail_iso20022_debtor_name": "Tributary House",
            "rail_iso20022_debtor_iban": HOUSE_IBAN,
        }

    def behave(self, behaviour: str, **parameters: Any) -> None:
        """What the bank does with the house's payments from now on: `accept`, `return-later`, `reject-file` …"""
        self._ask("PATCH", f"/_mock/accounts/{HOUSE_ACCOUNT}", {"behaviour": behaviour, "parameters": parameters})

    def change_account(self, **fields: Any) -> None:
        self._ask("PATCH", f"/_mock/accounts/{HOUSE_ACCOUNT}", fields)

    def advance(self, days: int) -> None:
        self._ask("POST", f"/_mock/advance?days={days}")

    def balance(self) -> int:
        account = next(a for a in json.loads(self._ask("GET", "/_mock/accounts")) if a["id"] == HOUSE_ACCOUNT)
        return int(account["balance"])

    def payments(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._ask("GET", "/_mock/payments"))
        return found

    def files(self, kind: str) -> list[bytes]:
        """The files that it sent, of a kind such as camt.053, oldest first."""
        messages = json.loads(self._ask("GET", f"/_mock/mailbox?leave&type={kind}"))
        return [self._ask("GET", f"/_mock/mailbox/{message['id']}") for message in messages]

    def _ask(self, method: str, path: str, body: object = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}{path}", data, {"content-type": "application/json"}, method=method)  # noqa: S310
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            return bytes(answer.read())


@contextmanager
def mock_bank() -> Iterator[MockBank]:
    server = make_server(Config(host="127.0.0.1", port=0, db_path=":memory:", quiet=True))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield MockBank(f"http://127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
