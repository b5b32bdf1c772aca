"""Counting after a trial: the outcome of every offered message, and whether anything counts twice.

`verify` checks that the stored data agree with each other. This checks that they agree with what the shops sent.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from contracts.orders import v1, v2
from contracts.wire.reading import Reader, content_of
from contracts.wire.refusal import Unreadable
from infra.adapters.mongo import MongoStore
from infra.demo.traffic import REFUND, UPDATE_STATUS, Publication
from infra.ports.store import JOURNALS
from infra.runtime.worker import Worker

_ORDERS = Reader((v2.PlaceOrder, v1.PlaceOrder))
_STATUSES = {UPDATE_STATUS: Reader((v1.UpdateStatus,)), REFUND: Reader((v1.RefundOrder,))}
_ONCE_PER_SUBJECT = frozenset(
    {"order.accepted.v1", "order.paid.v1", "stock.reserved.v1", "commission.accrued.v1", "commission.released.v1"}
)


@dataclass(slots=True)
class Accounts:
    """Orders by outcome. `lost` are messages without a trace, `doubled` is what counts twice, as sentences.

    `statuses` are the messages about orders that were placed before, including refunds.
    """

    offered: int = 0
    statuses: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)


async def account(store: MongoStore, workers: Iterable[Worker], publications: Iterable[Publication]) -> Accounts:
    """Find a trace of every publication, and everything that happened more than once."""
    accounts = Accounts()
    await _find_doubled(store, workers, accounts)
    outcomes = await _outcomes(store, accounts)
    seen: set[str] = set()
    for publication in publications:
        is_status = publication.routing_key in _STATUSES
        reader = _STATUSES.get(publication.routing_key, _ORDERS)
        for item in reader.read(
            publication.body,
            content_type=publication.content_type,
            routing_key=publication.routing_key,
            received_at=datetime.now(UTC),
        ):
            # An unreadable message is journaled by its bytes, a dead letter by its id if it has one.
            keys = [item.key, item.id] if isinstance(item, Unreadable) else [content_of(item.key)]
            outcome = next((outcomes[key] for key in keys if key in outcomes), None)
            if outcome is None:
                accounts.lost.append(f"{publication.kind} {keys[0]} of {publication.order_keys} left no trace")
            elif not is_status:
                accounts.outcomes["repeated" if keys[0] in seen or outcome == "duplicate" else outcome] += 1
            accounts.offered += not is_status
            accounts.statuses += is_status
            seen.add(keys[0])
    return accounts


async def _outcomes(store: MongoStore, accounts: Accounts) -> dict[str, str]:
    """What order_intake journaled for each message id: a reason code, or that it was dead-lettered."""
    outcomes: dict[str, str] = {}
    async for record in store.stream(
        f"{JOURNALS}order_intake", {}, fields=("handled.id", "handled.outcome", "dead.id")
    ):
        for item in record.get("dead", ()):
            outcomes.setdefault(content_of(item["id"]), "set_aside")
        for item in record.get("handled", ()):
            # For the same bare body the first handled delivery counts, rather than an earlier dead letter.
            key = content_of(item["id"])
            if outcomes.get(key, "set_aside") == "set_aside":
                outcomes[key] = item["outcome"]
    return outcomes


async def _find_doubled(store: MongoStore, workers: Iterable[Worker], accounts: Accounts) -> None:
    rewards: Counter[tuple[Any, ...]] = Counter()
    for worker in workers:
        handled: Counter[str] = Counter()
        events: Counter[tuple[str, str]] = Counter()
        async for record in store.stream(JOURNALS + worker.name, {}, fields=("handled.id", "emitted")):
            handled.update(item["id"] for item in record.get("handled", ()))
            for emitted in record.get("emitted", ()):
                if emitted["type"] in _ONCE_PER_SUBJECT:
                    events[emitted["type"], json.loads(emitted["body"])["subject"]] += 1
                elif emitted["type"].startswith(("reward.granted.", "reward.adjusted.")):
                    sign = 1 if emitted["type"].startswith("reward.granted.") else -1
                    rewards[_reward(json.loads(emitted["body"])["data"])] += sign
        accounts.doubled += [f"{worker.name} handled {i} {n} times" for i, n in handled.items() if n > 1]
        accounts.doubled += [f"{kind} of {about} was emitted {n} times" for (kind, about), n in events.items() if n > 1]
    accounts.doubled += [f"reward {reward} is granted {n} times" for reward, n in rewards.items() if n > 1]
    await _find_doubled_money(store, accounts)


def _reward(data: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(data[name] for name in ("distributor_id", "month", "currency", "reward"))


async def _find_doubled_money(store: MongoStore, accounts: Accounts) -> None:
    """An order accrues once, is released once, and each refund or cancellation reverses once."""
    postings: Counter[tuple[str, str]] = Counter()
    async for posting in store.stream("commission_calculation.ledger", {}, fields=("key", "kind")):
        postings[posting["key"], posting["kind"]] += 1
    async for commission in store.stream("commission_calculation.commissions", {}):
        key = commission["_id"]
        allowed = {"accrual": 1, "release": 1, "reversal": len(commission["reversals"])}
        for kind, times in allowed.items():
            if postings[key, kind] > times:
                accounts.doubled.append(f"{kind} of order {key} was posted {postings[key, kind]} times")
        shares = Counter((entry["line"], entry["plan"], entry["level"]) for entry in commission["entries"])
        accounts.doubled += [f"order {key} pays {share} {n} times" for share, n in shares.items() if n > 1]
