"""The story of an order, a message or a correlation, put together from the journals by their indexes alone.

A message leads to its order, and every message to what it caused, so that it does not matter by which one asks.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from contracts.operations.v1 import MessageDeadLettered
from contracts.wire import BARE_SOURCE
from infra.runtime import dead_letters
from infra.runtime.audit import Read
from infra.runtime.journal import PREFIX
from infra.runtime.store import Document

_RECORDS_MAX = 1000
"""A subject that everything shares, such as the clock, is shown in part."""
_SHOPS = "network.shops"


@dataclass(frozen=True, slots=True)
class Step:
    """One message in one worker's hands: `outcome` is what came of it, `emitted` what it caused.

    `letter` is the dead letter it became, with its state.
    """

    at: datetime
    worker: str
    id: str
    type: str
    outcome: str
    about: str
    correlation: str | None = None
    emitted: tuple[dict[str, Any], ...] = field(default=())
    letter: dict[str, Any] | None = None


_Found = dict[tuple[str, str, str, datetime], Step]


async def timeline_of(read: Read, workers: Sequence[str], name: str) -> list[Step]:
    """The steps of whatever `name` is, oldest first: an order, a message id, a dead letter or a correlation id."""
    # What could not be read has no subject but its own id.
    subjects = {name, f"order/{name}", f"message/{name}"}
    keys = await _keys(read, name)
    found = await _look(read, workers, subjects, keys)
    wider = {subject for step in found.values() for subject in _wider(step)} - subjects
    if wider:
        found |= await _look(read, workers, wider, ())
    asked = set(keys)
    while caused := {message["id"] for step in found.values() for message in step.emitted} - asked:
        asked |= caused
        found |= await _look(read, workers, (), caused)
    return sorted(await _with_letters(read, found.values()), key=lambda step: step.at)


async def _keys(read: Read, message_id: str) -> list[str]:
    """What the journals may know a message by: a command's id counts per source, and a shop's source is its id."""
    if "/" in message_id:
        # An order, or a key that has its source already: what it costs must not grow with the number of shops.
        return [message_id]
    found = await read.find(_SHOPS, {}, sort=(("_id", 1),), limit=_RECORDS_MAX, fields=("_id",))
    shops = [shop["_id"] for shop in found]
    sources = (BARE_SOURCE, dead_letters.SOURCE, *shops)
    return [message_id, *(f"{source}/{message_id}" for source in sources)]


def _wider(step: Step) -> Iterable[str]:
    """What a single message leads to; not products or the clock, which join what has nothing to do with it."""
    if step.about.startswith(("order/", "message/")):
        yield step.about
    elif step.correlation is not None and step.correlation != step.about:
        yield step.correlation


async def _look(read: Read, workers: Sequence[str], subjects: Collection[str], keys: Collection[str]) -> _Found:
    """One round of questions to all journals, asked together: one after the other they take as long as all of them."""
    found: _Found = {}
    conditions = [{"about": {"$in": list(subjects)}}] if subjects else []
    if keys:
        conditions += [{"handled.id": {"$in": list(keys)}}, {"dead.id": {"$in": list(keys)}}]
    asked = [(worker, condition) for worker in workers for condition in conditions]
    answers = await asyncio.gather(
        *(read.find(PREFIX + worker, condition, limit=_RECORDS_MAX) for worker, condition in asked)
    )
    for (worker, _), records in zip(asked, answers, strict=True):
        for record in records:
            for step in _steps(worker, record, {*subjects, *keys}):
                found[step.worker, step.id, step.outcome, step.at] = step
    return found


def _steps(worker: str, record: Document, names: set[str]) -> Iterable[Step]:
    for item in record.get("handled", ()):
        if names & {item["about"], item["correlation"], item["id"]}:
            emitted = _emitted(record, item["id"])
            yield Step(
                record["at"],
                worker,
                item["id"],
                item["type"],
                item["outcome"],
                item["about"],
                item["correlation"],
                emitted,
            )
    for kind, verb in (("retried", "put off"), ("dead", "dead-lettered")):
        for item in record.get(kind, ()):
            if names & {item["about"], item["correlation"], item["id"]}:
                outcome = f"{verb} after try {item['attempt']}: {item['reason']}"
                emitted = _emitted(record, item["id"]) if kind == "dead" else ()
                yield Step(
                    record["at"],
                    worker,
                    item["id"],
                    item["type"],
                    outcome,
                    item["about"],
                    item["correlation"],
                    emitted,
                )


def _emitted(record: Document, cause: str) -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(item["body"]) for item in record.get("emitted", ()) if item["cause"] == cause)


async def _with_letters(read: Read, steps: Iterable[Step]) -> list[Step]:
    """Say of each letter whether it still waits."""
    steps = list(steps)
    ids = {message["id"] for step in steps for message in step.emitted if message["type"] == _LETTER}
    fields = ("state", "settled_by", "settled_at", "note")
    letters = await read.find(dead_letters.COLLECTION, {"_id": {"$in": list(ids)}}, fields=fields) if ids else []
    by_id = {letter["_id"]: letter for letter in letters}
    return [replace(step, letter=_letter(step, by_id)) for step in steps]


def _letter(step: Step, by_id: dict[str, Document]) -> dict[str, Any] | None:
    for message in step.emitted:
        if message["type"] == _LETTER:
            known = by_id.get(message["id"], {"state": "on its way"})
            return {"letter_id": message["id"], **{name: value for name, value in known.items() if name != "_id"}}
    return None


_LETTER = MessageDeadLettered.message_type
