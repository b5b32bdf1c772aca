"""Finds out which redelivered bare bodies were handled before, and under which ids.

A bare body has no id, so each delivery of it is given one, and a sender may send the same bytes again to restore a
state. A redelivered body may have been handled before its process died. If the journal has a delivery of the same
content, the body takes the id of that delivery and is a repeat like any other. If a command with other content has set
the same subject since, in another batch, the earlier delivery was finished and this one is a new command.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from contracts.wire.envelope import PAYLOADS, Command, Message
from contracts.wire.reading import BARE_SOURCE, content_of, is_bare
from infra.ports.store import Document
from infra.runtime.fold import Work
from infra.runtime.journal import Handled

_ID = len(BARE_SOURCE) + 1
"""The offset of the id in a bare body's key."""


@dataclass(frozen=True, slots=True)
class Past:
    """A command in a journal record: an earlier delivery of the same content, or of other content."""

    key: str
    record: int
    handled: bool
    acknowledged: bool

    @property
    def content(self) -> str:
        return content_of(self.key)


@dataclass(slots=True)
class Recalled:
    """`works`: redelivered bare bodies under the ids they had. The emissions of `republish` are published again.

    `first` are the bodies of shops once more, under the id of the first delivery of the same content: its answer may be
    the one that was lost, and the shop knows all these deliveries by one id.
    `returning` are bodies from a batch that set one subject to several values; see the function `returning`.
    """

    works: list[Work]
    first: list[Work] = field(default_factory=list)
    republish: set[str] = field(default_factory=set)
    returning: list[str] = field(default_factory=list)


def subjects_of(works: Iterable[Work]) -> set[str]:
    """The subjects set by the works whose ids are to be recalled."""
    return {work.item.data.sets() for work in works if work.recalled_by is not None and isinstance(work.item, Message)}


def recall(works: Sequence[Work], records: Sequence[Document], subjects: set[str]) -> Recalled:
    """Give redelivered bare bodies the ids they had; `records` are those about their subjects, oldest first."""
    pasts = _pasts(records, subjects)
    recalled = Recalled([])
    taken: set[str] = set()
    decided: dict[str, str] = {}
    for work in works:
        item = work.item
        if not isinstance(item, Message):
            recalled.works.append(work)
            continue
        subject, content = item.data.sets(), content_of(item.key)
        if work.recalled_by is not None:
            history = pasts[subject]
            same = [past for past in history if past.content == content]
            recalled.republish.update(past.key for past in same if past.handled)
            past = _recognised(work, history, taken, superseded=decided.get(subject, content) != content)
            first = next((each.key for each in same if each.handled), None)
            if work.sender is not None and first is not None and (past is None or past.key != first):
                recalled.first.append(_under(work, item, first))
            if past is not None:
                taken.add(past.key)
                if past.handled and _is_returning(past, history):
                    recalled.returning.append(past.key)
                recalled.works.append(_under(work, item, past.key))
                continue
        decided[subject] = content
        recalled.works.append(work)
    return recalled


def _under(work: Work, item: Message[Any], key: str) -> Work:
    return replace(work, item=item.model_copy(update={"id": key[_ID:]}))


def returning(handled: Iterable[Handled]) -> list[str]:
    """The bare bodies of a batch whose subject another command of the batch sets to another value.

    Later records do not show whether such a batch was acknowledged, so its acknowledgement is recorded.
    """
    by_subject: defaultdict[str, list[str]] = defaultdict(list)
    for item in handled:
        by_subject[item.sets or item.about].append(item.id)
    return [
        key
        for keys in by_subject.values()
        if len(keys) > 1 and len({content_of(key) for key in keys}) > 1
        for key in keys
        if is_bare(key)
    ]


def _recognised(work: Work, history: Sequence[Past], taken: set[str], *, superseded: bool) -> Past | None:
    """The newest earlier delivery of the same content, if this one may be its redelivery.

    With an AMQP message id, it is the one of the same id; the key has that id before the moment.
    """
    content = content_of(work.item.key)
    if work.recalled_by == "message_id":
        prefix = work.item.key.rpartition("-")[0]
        same = (past for past in reversed(history) if past.key.rpartition("-")[0] == prefix and past.key not in taken)
        return next(same, None)
    for at in range(len(history) - 1, -1, -1):
        past = history[at]
        if (
            past.content == content
            and past.key not in taken
            and not past.acknowledged
            and not superseded
            and not _is_superseded(past, history[at + 1 :])
        ):
            return past
    return None


def _is_superseded(past: Past, later: Iterable[Past]) -> bool:
    """Whether a later batch set another value; one batch is acknowledged, or redelivered, as a whole."""
    return any(other.handled and other.content != past.content and other.record != past.record for other in later)


def _is_returning(past: Past, history: Iterable[Past]) -> bool:
    return any(other.record == past.record and other.content != past.content for other in history)


def _pasts(records: Sequence[Document], subjects: set[str]) -> Mapping[str, list[Past]]:
    """The commands that set each subject, in the order in which they were handled."""
    pasts: defaultdict[str, list[Past]] = defaultdict(list)
    for number, record in enumerate(records):
        acknowledged = record.get("acknowledged", ())
        for kind in ("retried", "dead", "handled"):
            for item in record.get(kind, ()):
                subject = item.get("sets") or item["about"]
                if subject in subjects and _is_command(item):
                    pasts[subject].append(Past(item["id"], number, kind == "handled", item["id"] in acknowledged))
    return pasts


def _is_command(item: Mapping[str, Any]) -> bool:
    payload = PAYLOADS.get(item["type"])
    return payload is not None and issubclass(payload, Command)
