"""The timeline of an order, a message or a correlation, from the journals' indexes alone.

A message leads to its order, and every message to what it caused, so that any of them finds the same timeline.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from typing import Any, Protocol

from contracts.network.view import SHOPS
from contracts.operations.v1 import MessageDeadLettered
from contracts.operations.view import DEAD_LETTERS
from contracts.wire.reading import BARE_SOURCE
from infra.operators.operator import source
from infra.ports.store import JOURNALS, Document, Parts, Reader, Scans

_RECORDS_MAX = 1000
_STEPS_MAX = 500
_BYTES_MAX = 2 * 1024 * 1024
"""Of what the messages of one worker emitted. A subject shared by everything, such as the clock, is shown in part, and
so is one that a sender has filled: the newest steps.
"""
_SCANNED_BYTES_MAX = 32 * 1024 * 1024
"""Of the records of one worker that the store looks through in one round; one has up to some 8 MB."""
_KINDS = ("handled", "retried", "dead")
_OUTCOMES = {
    "retried": "put off after try {attempt}: {reason}",
    "dead": "dead-lettered after try {attempt}: {reason}",
}


class Journals(Reader, Parts, Scans, Protocol):
    """Reads journals, in full or only parts of their records."""


@dataclass(frozen=True, slots=True)
class Step:
    """One message at one worker: its `outcome`, and the messages `emitted` because of it.

    `letter` is the dead letter that it became, with its state.
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


@dataclass(frozen=True, slots=True)
class Timeline:
    """Steps, oldest first; `complete` is False where there are older ones."""

    steps: Sequence[Step]
    complete: bool


_Found = dict[tuple[str, str, str, datetime], Step]


async def timeline_of(read: Journals, workers: Sequence[str], name: str) -> Timeline:
    """The newest steps of `name`: an order, a message id, a dead letter or a correlation id."""
    # An unreadable message has no subject but its own id, which its sender chose: it is not looked for where the name
    # may be that of an order.
    subjects = {name, f"order/{name}"} if "/" in name else {name, f"message/{name}"}
    keys = await _keys(read, name)
    found, complete = await _look(read, workers, subjects, keys)
    wider = {subject for step in found.values() for subject in _wider(step)} - subjects
    if wider:
        more, is_all = await _look(read, workers, wider, ())
        found, complete = found | more, complete and is_all
    known = set(keys)
    while caused := {message["id"] for step in found.values() for message in step.emitted} - known:
        known |= caused
        more, is_all = await _look(read, workers, (), caused)
        found, complete = found | more, complete and is_all
    steps = sorted(found.values(), key=lambda step: step.at)
    return Timeline(await _with_letters(read, steps[-_STEPS_MAX:]), complete and len(steps) <= _STEPS_MAX)


async def _keys(read: Journals, message_id: str) -> list[str]:
    """The possible keys of a message in the journals: a command's id is unique per source, e.g. a shop's id."""
    if "/" in message_id:
        # An order, or a key that includes its source: the cost must not grow with the number of shops.
        return [message_id]
    found = await read.find(SHOPS, {}, sort=(("_id", 1),), limit=_RECORDS_MAX, fields=("_id",))
    shops = [shop["_id"] for shop in found]
    sources = (BARE_SOURCE, source(), *shops)
    return [message_id, *(f"{sender}/{message_id}" for sender in sources)]


def _wider(step: Step) -> Iterable[str]:
    """Where a single message leads; not to products or the clock, which connect unrelated messages."""
    if step.about.startswith(("order/", "message/")):
        yield step.about
    elif step.correlation is not None and step.correlation != step.about:
        yield step.correlation


async def _look(
    read: Journals, workers: Sequence[str], subjects: Collection[str], keys: Collection[str]
) -> tuple[_Found, bool]:
    """One round of concurrent queries to all journals: in sequence, their times would add up.

    A record holds a whole batch with every body it emitted, so only the bodies of the wanted messages are read.
    """
    conditions = [{"about": {"$in": list(subjects)}}] if subjects else []
    if keys:
        conditions += [{"handled.id": {"$in": list(keys)}}, {"dead.id": {"$in": list(keys)}}]
    names = {*subjects, *keys}
    looks = [_steps_at(read, worker, condition, names) for worker in workers for condition in conditions]
    answers = await asyncio.gather(*looks)
    steps = sorted(chain.from_iterable(found for found, _ in answers), key=lambda found: found[1].at)
    emitted = await _emitted(read, newest := steps[-_STEPS_MAX:])
    found = (replace(step, emitted=emitted.get((record_id, step.id), ())) for record_id, step in newest)
    is_all = len(newest) == len(steps) and not any(more_follow for _, more_follow in answers)
    return {(step.worker, step.id, step.outcome, step.at): step for step in found}, is_all


async def _steps_at(
    read: Journals, worker: str, condition: Mapping[str, Any], names: set[str]
) -> tuple[list[tuple[Any, Step]], bool]:
    """The newest steps of a worker's records, each with its record's id; and whether there are more.

    A sender decides what else is in the records of an order, so the store filters them, and ends with a number of
    bytes. Only the index of subjects has the newest record first; a message has a few records at most.
    """
    records, more_follow = await read.scan_parts(
        JOURNALS + worker,
        condition,
        arrays=_KINDS,
        by=("about", "correlation", "id"),
        values=list(names),
        newest_first="about" in condition,
        fields=("at",),
        items_max=_STEPS_MAX,
        bytes_max=_SCANNED_BYTES_MAX,
    )
    return [(record["_id"], step) for record in records for step in _steps(worker, record)], more_follow


def _steps(worker: str, record: Document) -> Iterable[Step]:
    """The steps of a record, without what they emitted."""
    for kind in _KINDS:
        for item in record.get(kind) or ():
            outcome = item["outcome"] if kind == "handled" else _OUTCOMES[kind].format(**item)
            yield Step(record["at"], worker, item["id"], item["type"], outcome, item["about"], item["correlation"])


async def _emitted(
    read: Journals, steps: Iterable[tuple[Any, Step]]
) -> dict[tuple[Any, str], tuple[dict[str, Any], ...]]:
    """What each message of each record emitted, decoded, in order."""
    wanted: defaultdict[str, tuple[set[Any], set[str]]] = defaultdict(lambda: (set(), set()))
    for record_id, step in steps:
        records, causes = wanted[step.worker]
        records.add(record_id)
        causes.add(step.id)
    answers = await asyncio.gather(
        *(
            read.find_parts(
                JOURNALS + worker,
                {"_id": {"$in": list(records)}},
                array="emitted",
                field="cause",
                values=list(causes),
                limit=_RECORDS_MAX,
                bytes_max=_BYTES_MAX,
            )
            for worker, (records, causes) in wanted.items()
        )
    )
    # Up to some megabytes for each worker.
    return await asyncio.to_thread(_decoded, chain.from_iterable(found for found, _ in answers))


def _decoded(records: Iterable[Document]) -> dict[tuple[Any, str], tuple[dict[str, Any], ...]]:
    emitted: defaultdict[tuple[Any, str], list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        for item in record.get("emitted") or ():
            emitted[record["_id"], item["cause"]].append(json.loads(item["body"]))
    return {key: tuple(messages) for key, messages in emitted.items()}


async def _with_letters(read: Journals, steps: Iterable[Step]) -> list[Step]:
    """Add the dead letter and its state to each step that became one."""
    steps = list(steps)
    ids = {message["id"] for step in steps for message in step.emitted if message["type"] == _LETTER}
    fields = ("state", "settled_by", "settled_at", "note")
    letters = await read.find(DEAD_LETTERS, {"_id": {"$in": list(ids)}}, fields=fields) if ids else []
    by_id = {letter["_id"]: letter for letter in letters}
    return [replace(step, letter=_letter(step, by_id)) for step in steps]


def _letter(step: Step, by_id: dict[str, Document]) -> dict[str, Any] | None:
    for message in step.emitted:
        if message["type"] == _LETTER:
            known = by_id.get(message["id"], {"state": "on its way"})
            return {"letter_id": message["id"], **{name: value for name, value in known.items() if name != "_id"}}
    return None


_LETTER = MessageDeadLettered.message_type
