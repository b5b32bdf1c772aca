"""Sorts the messages of a batch: new ones, repeats, and commands whose id another command already has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from contracts.wire.envelope import Message
from contracts.wire.refusal import REFUSED, Conflict
from infra.runtime.failure_policy import Failure
from infra.runtime.fold import Folded, Work
from infra.runtime.journal import Known


@dataclass(slots=True)
class Arrived:
    """Collects the repeats in a batch: messages handled before, and second copies within the batch."""

    known: Mapping[str, Known]
    repeats: list[str] = field(default_factory=list)
    returned: set[str] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)

    def fresh_of(self, works: Iterable[Work]) -> list[Work]:
        fresh = []
        for work in works:
            key = work.item.key
            # A rival that is to be retried has the key of the command that it waits for.
            if key not in self.known and (key not in self._seen or work.failure is not None):
                self._seen.add(key)
                fresh.append(work)
            elif work.redelivered:
                self.returned.add(key)
            else:
                self.repeats.append(key)
                # A process that had lost its connection may have handled what others retried or dead-lettered, and died
                # before it published the events.
                if work.attempt > 1 or work.replays or self._was_refused(key):
                    self.returned.add(key)
        return fresh

    def _was_refused(self, key: str) -> bool:
        """A repeat of a refused command is answered with the refusal again: without it, it would look accepted."""
        known = self.known.get(key)
        return known is not None and known.outcome == REFUSED


def with_conflicts(works: Sequence[Work], known: Mapping[str, Known]) -> tuple[list[Work], list[Work]]:
    """Turn each command whose id the journal has with other content into a conflict.

    Commands with the id of another command in this batch are returned as rivals: whether they are conflicts depends on
    the outcome of that command.
    """
    first: dict[str, Message[Any]] = {}
    checked: list[Work] = []
    rivals: list[Work] = []
    for work in works:
        item = work.item
        if isinstance(item, Message):
            earlier, same = known.get(item.key), first.setdefault(item.key, item)
            if earlier is not None and earlier.is_other_than(item):
                work = replace(work, item=Conflict(item, earlier.type))
            elif earlier is None and same is not item and Known(same.type, same.digest).is_other_than(item):
                rivals.append(work)
                continue
        checked.append(work)
    return checked, rivals


def conflict_keys(works: Iterable[Work], rivals: Iterable[Work]) -> set[str]:
    """The keys of conflicts, and of rivals that may become conflicts: the journal may know them."""
    conflicts = {work.item.key for work in works if isinstance(work.item, Conflict)}
    return conflicts.union(Conflict(work.item, "").key for work in rivals if isinstance(work.item, Message))


def resolved_rivals(rivals: Sequence[Work], folded: Folded) -> list[Work]:
    """A rival is a conflict if the other command of its id was handled; otherwise it is retried."""
    types = {handled.id: handled.type for handled in folded.handled}
    return [
        replace(rival, item=Conflict(rival.item, types[rival.item.key]))
        if isinstance(rival.item, Message) and rival.item.key in types
        else replace(rival, failure=Failure("id_in_use", "Another command under this id is not handled yet."))
        for rival in rivals
    ]
