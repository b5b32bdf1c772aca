"""The bank of the demo: `mock-bank`, a program that was written elsewhere, pays and returns what the demo sends it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from infra import local
from infra.local import ports
from infra.local.process import is_running
from infra.local.stack import MASTER_KEYS
from infra.vault.master import add_key

PROGRAM = "bank"
_MODULE = "mockbank"
_HOUSE = "ACME"
_HOUSE_IBAN = "NL41MOCK0000000001"
_READY_WITHIN_S = 15.0
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Bank:
    """The program `bank` of a stack, and the file of the master keys under which accounts are sealed for it."""

    port: int
    master_keys: Path

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The variables with which payouts go to this bank, and to no other that is exported."""
        others = {name: value for name, value in inherited.items() if not name.startswith("TRIBUTARY_RAIL_")}
        return {
            **others,
            "TRIBUTARY_MASTER_KEY_FILE": str(self.master_keys),
            "TRIBUTARY_RAIL_ISO20022_URL": f"{self._url}/payments",
            "TRIBUTARY_RAIL_ISO20022_STATUS_URL": f"{self._url}/_mock/payments/{{key}}",
            "TRIBUTARY_RAIL_ISO20022_DEBTOR_NAME": "Tributary Demo",
            "TRIBUTARY_RAIL_ISO20022_DEBTOR_IBAN": _HOUSE_IBAN,
        }

    async def behave(self, behaviour: str, **parameters: Any) -> None:
        """What it does with the house's payments from now on."""
        body = {"behaviour": behaviour, "parameters": parameters}
        await asyncio.to_thread(self._ask, "PATCH", f"/_mock/accounts/{_HOUSE}", body)

    async def advance(self, days: int) -> None:
        """Let days of the bank pass: it books, states, and returns."""
        await asyncio.to_thread(self._ask, "POST", f"/_mock/advance?days={days}")

    async def payments(self) -> list[dict[str, Any]]:
        """Its own books: what it took from the house."""
        found: list[dict[str, Any]] = json.loads(await asyncio.to_thread(self._ask, "GET", "/_mock/payments"))
        return found

    async def statements(self) -> list[bytes]:
        """The statements (camt.053) that it sent, oldest first."""
        mailbox = "/_mock/mailbox?leave&type=camt.053"
        messages = json.loads(await asyncio.to_thread(self._ask, "GET", mailbox))
        return [await asyncio.to_thread(self._ask, "GET", f"/_mock/mailbox/{one['id']}") for one in messages]

    def is_serving(self) -> bool:
        try:
            self._ask("GET", "/_mock/health")
        except (OSError, ValueError):
            return False
        return True

    @property
    def _url(self) -> str:
        return f"http://{ports.LOOPBACK}:{self.port}"

    def _ask(self, method: str, path: str, body: object = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = Request(f"{self._url}{path}", data, headers, method=method)  # noqa: S310 (our own address)
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            return bytes(answer.read())


def open_bank(stack: str, home: Path) -> Bank | None:
    """Start the bank as a program of the stack, which `tributary down` ends; None where it is not installed, or does
    not start.
    """
    if find_spec(_MODULE) is None:
        return None
    bank = Bank(ports.choose(("bank",), {})["bank"], home / stack / MASTER_KEYS)
    add_key(bank.master_keys, datetime.now(UTC))
    argv = (sys.executable, "-m", _MODULE, "--port", str(bank.port), "--quiet")
    mark = local.start_program(stack, PROGRAM, argv, home=home, env=os.environ, version=version("tributary"))
    deadline = time.monotonic() + _READY_WITHIN_S
    while not bank.is_serving():
        if time.monotonic() > deadline or not is_running(mark):
            return None
        time.sleep(_POLL_S)
    return bank
