"""The payouts of the demo: three distributors are paid over `iso20022`, by batches of two persons; one comes back.

The amounts are adjustments in the currency of the bank. What was paid is read from the bank's own books, and must be
what the system says.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from time import monotonic
from typing import Any

import aio_pika

from contracts.money import to_minor
from contracts.network.view import DISTRIBUTORS
from contracts.payees.v1 import SetMethod
from contracts.payouts.v1 import ApproveBatch, ProposeBatch, ReportPayout
from contracts.payouts.view import BATCHES, PAYEES, PAYOUTS
from contracts.settlement.digests import adjustment_digest
from contracts.settlement.v1 import ApproveAdjustment, ClosePeriod, ProposeAdjustment
from contracts.settlement.view import ACCOUNTS, ADJUSTMENTS, LEDGER, STATEMENTS, Statement, account_key
from contracts.wire.envelope import Payload
from infra.adapters import rabbitmq as broker
from infra.adapters.mongo import MongoStore
from infra.adapters.outside.rails.bank_files import read_bank_file
from infra.adapters.vault import KeyVault
from infra.demo.bank import Bank
from infra.demo.rule_set import MARKET
from infra.demo.shop import Shop
from infra.payees.accounts import GivenMethod, sealed_method
from infra.ports.time import RealTime
from infra.processes.clock import tick
from infra.statements.reading import Streams, to_account, to_statement
from infra.vault.master import MasterKeys

CURRENCY = "EUR"
_AMOUNTS = ("120.00", "80.50", "45.25")
_REASON, _NOTE = "welcome_bonus", "Paid by the demo."
_FINANCE, _REVIEWER = "demo.finance", "demo.reviewer"
_WITHIN_S = 60.0
_POLL_S = 0.1


@dataclass(slots=True)
class Paid:
    """What became of the demo's payouts, as stored; `bank_minor` is what the bank's own books say payees keep."""

    states: Counter[str] = field(default_factory=Counter)
    paid_minor: int = 0
    bank_minor: int = 0
    returned: Statement | None = None

    @property
    def differs(self) -> bool:
        return self.paid_minor != self.bank_minor


@dataclass(slots=True)
class Payer:
    """Sends the commands of the two persons, and remembers them."""

    url: str
    store: MongoStore
    shop: Shop
    bank: Bank
    sent: list[Payload] = field(default_factory=list)

    async def play(self) -> None:
        """Pay two payouts, then a third that the bank returns, and close its next statement."""
        whose = await self._payees()
        statements = [await self._payable(each, amount) for each, amount in zip(whose, _AMOUNTS, strict=True)]
        await self._until(PAYOUTS, {"_id": {"$in": statements}}, len(statements))
        await self._until(PAYEES, {"_id": {"$in": whose}, "method": {"$gt": {}}}, len(whose))
        await self._pay("demo-paid", statements[:2])
        await self.bank.behave("return-later", days=1, reason="AC04")
        await self._pay("demo-returned", statements[2:])
        await self.bank.advance(5)
        await self._reconcile({statements[2]: "returned"})
        await self._until(LEDGER, {"_id": f"{statements[2]}/returned"})
        await self._close(whose[2])
        where = {"distributor_id": whose[2], "currency": CURRENCY, "returned_minor": {"$gt": 0}}
        await self._until(STATEMENTS, where)

    async def _payees(self) -> list[int]:
        """Three distributors, each with an account of their own."""
        found = await self.store.find(DISTRIBUTORS, {}, sort=(("_id", 1),), limit=len(_AMOUNTS), fields=("_id",))
        vault = KeyVault(self.store, MasterKeys(str(self.bank.master_keys)), RealTime())
        whose = [int(document["_id"]) for document in found]
        for number, distributor_id in enumerate(whose, 1):
            given = GivenMethod("iso20022", CURRENCY, "DE", f"Demo Payee {number}", _iban(number), None)
            method, fingerprint = await sealed_method(vault, distributor_id, f"demo-{distributor_id}", given)
            own = {"distributor_id": distributor_id, "method": method, "fingerprint": fingerprint}
            await self._send(SetMethod(**own, by=_FINANCE))
        return whose

    async def _payable(self, distributor_id: int, amount: str) -> str:
        """The id of a statement that owes this amount: an adjustment of two persons, closed at once."""
        key, minor = f"demo-{distributor_id}", to_minor(Decimal(amount), CURRENCY)
        whose = {"market": MARKET, "distributor_id": distributor_id}
        why = {"reason": _REASON, "note": _NOTE, "proposed_by": _FINANCE}
        await self._send(
            ProposeAdjustment(adjustment_id=key, **whose, currency=CURRENCY, amount=Decimal(amount), **why)
        )
        digest = adjustment_digest("adjustment", MARKET, distributor_id, CURRENCY, minor, _REASON, _NOTE)
        await self._until(ADJUSTMENTS, {"_id": key}, 1)
        await self._send(ApproveAdjustment(adjustment_id=key, digest=digest, approved_by=_REVIEWER))
        [booked] = await self._until(ADJUSTMENTS, {"_id": key, "statement": {"$gt": ""}}, 1)
        await self._close(distributor_id)
        return str(booked["statement"])

    async def _close(self, distributor_id: int) -> None:
        """Close by hand what is open in the currency of the bank."""
        key = account_key(MARKET, distributor_id, CURRENCY)
        [document] = await self._until(ACCOUNTS, {"_id": key, "open.0": {"$exists": True}})
        period = to_account(document).open[-1].period
        # Another person than the one who closed the month: the same command would be a repeat.
        await self._send(ClosePeriod(market=MARKET, period=period, distributor_id=distributor_id, by=_REVIEWER))

    async def _pay(self, batch_id: str, statements: Sequence[str]) -> None:
        """Propose a batch, let another person approve it, send it, and read the bank's statement of the next day."""
        proposal = ProposeBatch(batch_id=batch_id, market=MARKET, statement_ids=tuple(statements), proposed_by=_FINANCE)
        await self._send(proposal)
        [batch] = await self._until(BATCHES, {"_id": batch_id}, 1)
        await self._send(ApproveBatch(batch_id=batch_id, digest=batch["digest"], approved_by=_REVIEWER))
        await self._until(PAYOUTS, {"_id": {"$in": list(statements)}, "state": {"$in": ["approved", "sent"]}})
        await self._tick()
        await self._until(PAYOUTS, {"_id": {"$in": list(statements)}, "state": "sent"}, len(statements))
        await self.bank.advance(1)
        await self._reconcile(dict.fromkeys(statements, "paid"))

    async def _reconcile(self, expected: Mapping[str, str]) -> None:
        """Report what the bank's statements say; what they reported before is recognised."""
        known = {command.report_id for command in self.sent if isinstance(command, ReportPayout)}
        for content in await self.bank.statements():
            for report in read_bank_file(content).reports:
                if report.report_id not in known:
                    await self._send(report.model_copy(update={"by": _FINANCE}))
        for payout_id, state in expected.items():
            await self._until(PAYOUTS, {"_id": payout_id, "state": state}, 1)

    async def _send(self, command: Payload) -> None:
        self.sent.append(command)
        await self.shop.command([command], lambda _: None)

    async def _tick(self) -> None:
        """What the clock does once a minute: the demo does not wait for it."""
        connection = await broker.connect(self.url)
        async with connection:
            channel = await connection.channel(publisher_confirms=True)
            second = tick(int(datetime.now(UTC).timestamp()), 1)
            exchange = await channel.get_exchange(second.exchange, ensure=False)
            await exchange.publish(aio_pika.Message(second.body, content_type=second.content_type), second.routing_key)

    async def _until(self, collection: str, where: Mapping[str, Any], count: int = 1) -> list[dict[str, Any]]:
        """The documents once there are this many. Raises TimeoutError."""
        deadline = monotonic() + _WITHIN_S
        while True:
            found = await self.store.find(collection, where, limit=count)
            if len(found) >= count:
                return found
            if monotonic() > deadline:
                raise TimeoutError(f"{collection} has {len(found)} of {count} documents for {dict(where)}")
            await asyncio.sleep(_POLL_S)


def _iban(number: int) -> str:
    """A German account number with its check digits; no bank gave it to anyone."""
    account = f"37040044{number:010d}"
    return f"DE{98 - int(f'{account}131400') % 97:02d}{account}"


async def gather(store: Streams, bank: Bank | None) -> Paid:
    """Compare what the payouts say with the books of the bank, to the cent."""
    found = Paid()
    async for payout in store.stream(PAYOUTS, {"statement_currency": CURRENCY}):
        found.states[payout["state"]] += 1
        found.paid_minor += payout["plan"]["amount_minor"] if payout["state"] == "paid" else 0
    if bank is not None:
        for payment in await bank.payments():
            is_kept = payment["status"] == "accepted" and payment["booked_at"] is not None
            found.bank_minor += payment["amount"] if is_kept else 0
    async for document in store.stream(STATEMENTS, {"currency": CURRENCY, "returned_minor": {"$gt": 0}}):
        found.returned = to_statement(document)
    return found
