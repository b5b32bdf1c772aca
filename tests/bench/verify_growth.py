"""Duration and memory of `verify` as live orders grow. All messages of a live order are still in the journals.

`tests.bench.history` copies the documents of orders. Sums over orders are multiplied here by the same factor. So every
copy is an order that was sold, reserved, paid and counted within the same days, and the books hold.
Under load a journal record has many messages; without load it has one, and there are more records.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ReplaceOne

from contracts.commissions.earnings import EARNINGS
from contracts.commissions.view import BALANCES
from contracts.rules.view import DEFAULT_MARKET, RULES
from contracts.settlement.view import BALANCES as SLICES
from contracts.settlement.view import LEDGER, Posting, account_key, balance_id, statement_id, sums_of
from contracts.stock.view import ITEMS
from infra.ports.store import Document
from infra.runtime.repository import Codec
from infra.settings import Settings
from tests.bench.history import multiply_orders
from tests.bench.ours import BenchFailure, peak_rss_mb
from tests.bench.run import Bench
from tests.bench.world import one_line_world

_PROGRESS = "reward_checks.progress"
_postings = Codec(Posting, key="posting_id")
_SUMMED = (BALANCES, EARNINGS, ITEMS, "stock_reservation.bookings", _PROGRESS)
_NO_SUMS = frozenset({"_id", "product_id", "distributor_id", "rule_version", "crossings"})


SINGLY, TOGETHER = "one message a record", "many messages a record"
_LOOK_EVERY_S = 0.1
_ONE_BY_ONE = {"TRIBUTARY_BATCH_EVENTS_MAX": "1", "TRIBUTARY_PREFETCH_COMMANDS": "1", "TRIBUTARY_PREFETCH_EVENTS": "1"}


@dataclass(frozen=True, slots=True)
class VerifySizes:
    """`pattern` orders go through the workers before they are multiplied to the `stored` sizes."""

    pattern: int = 1_000
    stored: Sequence[int] = (10_000, 100_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class Verified:
    seconds: float
    rss_mb: float


@dataclass(slots=True)
class VerifyFindings:
    """By kind of journal and number of orders."""

    verified: defaultdict[str, dict[int, Verified]] = field(default_factory=lambda: defaultdict(dict))


async def verify_growth(bench: Bench, sizes: VerifySizes = VerifySizes()) -> VerifyFindings:
    """Run `tributary verify` on every size, in its own process. Raises BenchFailure where it finds the books wrong."""
    found = VerifyFindings()
    world = one_line_world(sizes.pattern)
    for kind, limits in ((SINGLY, _ONE_BY_ONE), (TOGETHER, {})):
        for size in sizes.stored:
            bench.progress(f"verify, {kind}: {size:,} live orders", 0, 0)
            ours = bench.ours(name=f"ours_verify_{size}")
            ours = replace(ours, environment={**ours.environment, **limits})
            async with ours.staged(world) as store:
                await ours.take(store, world.singly(), ours.check)
                await multiply_live_orders(ours.settings, size // sizes.pattern)
                found.verified[kind][size] = await asyncio.to_thread(
                    _verified, ours.environment, bench.logs / "verify.log"
                )
    return found


def _verified(environment: Mapping[str, str], errors: Path) -> Verified:
    started, peak = time.monotonic(), 0.0
    with errors.open("w") as stream:
        command = (sys.executable, "-m", "infra.cli.app", "verify", "--json")
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=stream)
        # The figure of `wait4` would include the memory of the parent process.
        while process.poll() is None:
            peak = max(peak, peak_rss_mb(process.pid))
            time.sleep(_LOOK_EVERY_S)
    if process.returncode:
        raise BenchFailure(f"verify ended with {process.returncode}: {errors.read_text()[-300:]}")
    return Verified(time.monotonic() - started, peak)


async def multiply_live_orders(settings: Settings, times: int) -> None:
    """Multiply the stored orders by `times`, all placed within the same period."""
    await multiply_orders(settings, times, 0)
    client: Any = AsyncIOMotorClient(settings.mongodb_url)
    database = client[settings.database]
    try:
        targets = {rules["_id"]: rules["terms"].get("targets", ()) async for rules in database[RULES].find()}
        for name in _SUMMED:
            changed = [_times(document, times) async for document in database[name].find()]
            for document in changed if name == _PROGRESS else ():
                before = {*document["granted"]} - {*document["held"]}
                known = [
                    one for one in targets.get(document["rule_version"], ()) if one["currency"] == document["currency"]
                ]
                reached = {one["reward"] for one in known if document["sales_minor"] >= one["target_minor"]}
                released_minor = document["sales_minor"] - document["held_minor"]
                available = {one["reward"] for one in known if released_minor >= one["target_minor"]}
                document["amounts_minor"] = {
                    one["reward"]: one["bonus_minor"] for one in known if one["reward"] in reached
                }
                document["granted"], document["held"] = sorted(reached), sorted(reached - available)
                await _book_rewards(database, document, sorted(available - before))
            if changed:
                await database[name].bulk_write([ReplaceOne({"_id": d["_id"]}, d) for d in changed], ordered=False)
    finally:
        client.close()


async def _book_rewards(database: Any, progress: Document, rewards: Iterable[str]) -> None:
    """Book the rewards that the multiplied released sales reach, as settlement would."""
    distributor_id, currency, at = progress["distributor_id"], progress["currency"], progress["placed_at"]
    slice_ = statement_id(DEFAULT_MARKET, "bulk", distributor_id, currency)
    account = account_key(DEFAULT_MARKET, distributor_id, currency)
    for reward in rewards:
        worth, name = progress["amounts_minor"][reward], f"{reward}/{progress['_id']}"
        legs = {"available": worth, "rewards": -worth}
        posting = Posting(name, slice_, account, distributor_id, currency, "reward", at, at, legs, name)
        await database[LEDGER].insert_one(_postings.to_document(posting))
        sums = {"$inc": sums_of([posting])[slice_], "$setOnInsert": {"account": account, **_owner(progress)}}
        await database[SLICES].update_one({"_id": balance_id(slice_, 0)}, sums, upsert=True)


def _owner(progress: Document) -> Document:
    return {name: progress[name] for name in ("distributor_id", "currency")}


def _times(value: Any, times: int, name: str = "") -> Any:
    """The same value with every figure multiplied; ids and versions stay."""
    if name in _NO_SUMS or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value * times
    if isinstance(value, dict):
        return {key: _times(inner, times, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_times(inner, times) for inner in value]
    return value
