"""The settlement of the demo: terms of two persons, closes by hand, and whether the statements add up to the ledger.

Every distributor is paid once before the refunds and once after them. So what is small stays below the minimum, and a
refund of what was paid is carried as a debt.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

import aio_pika

from contracts.commissions.view import BALANCES, COMMISSIONS
from contracts.settlement.digests import digest_of
from contracts.settlement.document import TermsDocument
from contracts.settlement.terms import terms_of
from contracts.settlement.v1 import ApproveTerms, ClosePeriod, ProposeTerms
from contracts.settlement.view import ACCOUNTS, STATEMENTS, Statement
from infra.adapters import rabbitmq as broker
from infra.demo.rule_set import CURRENCY, MARKET
from infra.processes.clock import tick
from infra.statements.reading import Streams, to_account, to_statement

_VERSION = 1
_RELEASE_TIMEOUT_S = 120.0
_SHOWN = ("carried_negative", "below_minimum")
"""The outcomes that the demo shows a statement of."""


@dataclass(slots=True)
class Statements:
    """What the statements of the demo state. `differing`: distributors whose statements are not what they earned."""

    outcomes: Counter[str] = field(default_factory=Counter)
    payable_minor: int = 0
    carried_minor: int = 0
    differing: int = 0
    samples: dict[str, Statement] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return self.outcomes.total()


def terms() -> tuple[ProposeTerms, ApproveTerms]:
    """The terms of the demo's market, proposed by one person and approved by another."""
    document = TermsDocument.model_validate(
        {
            "market": MARKET,
            "zone": "America/New_York",
            "period": "month",
            "minimum": [{"currency": CURRENCY, "amount": "5.00"}],
        }
    )
    proposal = ProposeTerms(terms_version=_VERSION, proposed_by="demo.finance", terms=document)
    approval = ApproveTerms(terms_version=_VERSION, approved_by="demo.reviewer", digest=digest_of(terms_of(document)))
    return proposal, approval


async def release_due(url: str, store: Streams) -> None:
    """Publish ticks, as a second clock may, until everything due is released: the demo does not wait for the minute."""
    deadline = monotonic() + _RELEASE_TIMEOUT_S
    connection = await broker.connect(url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True)
        while monotonic() < deadline and await _is_due(store):
            second = tick(int(datetime.now(UTC).timestamp()), 1)
            exchange = await channel.get_exchange(second.exchange, ensure=False)
            await exchange.publish(aio_pika.Message(second.body, content_type=second.content_type), second.routing_key)
            await asyncio.sleep(1)


async def _is_due(store: Streams) -> bool:
    due = {"release_at": {"$lte": datetime.now(UTC)}}
    return bool(await store.find(COMMISSIONS, due, limit=1, fields=("_id",)))


async def closes(store: Streams) -> list[ClosePeriod]:
    """A close by hand for every distributor with something open: the month itself is not over."""
    found = []
    async for document in store.stream(ACCOUNTS, {}):
        account = to_account(document)
        if account.open:
            period, distributor_id = account.open[-1].period, account.distributor_id
            found.append(
                ClosePeriod(market=account.market, period=period, distributor_id=distributor_id, by="demo.finance")
            )
    return found


async def gather(store: Streams) -> Statements:
    """Compare what each distributor's statements hand over with the commission ledger, to the cent."""
    found, earned = Statements(), Counter[int]()
    async for document in store.stream(STATEMENTS, {}, sort=(("number", 1), ("_id", 1))):
        statement = to_statement(document)
        if statement.currency != CURRENCY:
            # Those of the payouts.
            continue
        found.outcomes[statement.outcome] += 1
        found.payable_minor += statement.payable_minor
        found.carried_minor += statement.carried_minor - statement.opening_minor
        earned[statement.distributor_id] += statement.released_minor + statement.reversed_minor
        known = found.samples.get(statement.outcome)
        if statement.outcome in _SHOWN and (known is None or statement.posting_count > known.posting_count):
            found.samples[statement.outcome] = statement
    async for balance in store.stream(BALANCES, {"distributor_id": {"$gt": 0}}):
        earned[balance["distributor_id"]] -= balance.get("available_minor", 0)
    found.differing = sum(1 for difference in earned.values() if difference)
    return found
