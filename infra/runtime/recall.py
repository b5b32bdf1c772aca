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
    content: str
    record: int
    handled: bool


class History:
    """The commands that set one subject, added in the order in which they were handled.

    A sender may have set it thousands of times, and have as many redelivered: nothing here walks through all of them
    for each.
    """

    def __init__(self) -> None:
        self.handled: defaultdict[str, list[str]] = defaultdict(list)
        """The keys of those handled, by content."""
        self._by_content: defaultdict[str, list[Past]] = defaultdict(list)
        self._by_message_id: defaultdict[str, list[Past]] = defaultdict(list)
        self._contents: defaultdict[int, set[str]] = defaultdict(set)
        self._newest: Past | None = None
        self._newest_other: Past | None = None
        """The newest one handled with other content than `_newest`."""

    def add(self, past: Past, *, acknowledged: bool) -> None:
        self._by_message_id[_message_id(past.key)].append(past)
        self._contents[past.record].add(past.content)
        if not acknowledged:
            self._by_content[past.content].append(past)
        if past.handled:
            self.handled[past.content].append(past.key)
            if self._newest is not None and self._newest.content != past.content:
                self._newest_other = self._newest
            self._newest = past

    def of_message_id(self, key: str, taken: set[str]) -> Past | None:
        """The newest one of the same AMQP message id; the key has that id before the moment."""
        return _newest_of(self._by_message_id[_message_id(key)], taken)

    def of_content(self, content: str, taken: set[str]) -> Past | None:
        """The newest one of this content that may not have been acknowledged, unless it is superseded."""
        past = _newest_of(self._by_content[content], taken)
        same_as_newest = self._newest is not None and self._newest.content == content
        other = self._newest_other if same_as_newest else self._newest
        return None if past is None or _is_superseded(past, other) else past

    def is_returning(self, past: Past) -> bool:
        return len(self._contents[past.record]) > 1


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
    republished: set[tuple[str, str]] = set()
    for work in works:
        item = work.item
        if not isinstance(item, Message):
            recalled.works.append(work)
            continue
        subject, content = item.data.sets(), content_of(item.key)
        if work.recalled_by is not None:
            history = pasts[subject]
            handled = history.handled[content]
            if (subject, content) not in republished:
                republished.add((subject, content))
                recalled.republish.update(handled)
            past = None
            if work.recalled_by == "message_id":
                past = history.of_message_id(item.key, taken)
            elif decided.get(subject, content) == content:
                past = history.of_content(content, taken)
            if work.sender is not None and handled and (past is None or past.key != handled[0]):
                recalled.first.append(_under(work, item, handled[0]))
            if past is not None:
                taken.add(past.key)
                if past.handled and history.is_returning(past):
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


def _message_id(key: str) -> str:
    return key.rpartition("-")[0]


def _newest_of(pasts: list[Past], taken: set[str]) -> Past | None:
    """The last one that is not taken; those taken are dropped."""
    while pasts and pasts[-1].key in taken:
        pasts.pop()
    return pasts[-1] if pasts else None


def _is_superseded(past: Past, other: Past | None) -> bool:
    """Whether a later batch set another value; one batch is acknowledged, or redelivered, as a whole."""
    return other is not None and other.record > past.record


def _pasts(records: Sequence[Document], subjects: set[str]) -> Mapping[str, History]:
    """The commands that set each subject."""
    pasts: defaultdict[str, History] = defaultdict(History)
    for number, record in enumerate(records):
        acknowledged = set(record.get("acknowledged", ()))
        for kind in ("retried", "dead", "handled"):
            for item in record.get(kind, ()):
                subject = item.get("sets") or item["about"]
                if subject in subjects and _is_command(item):
                    key = item["id"]
                    past = Past(key, content_of(key), number, kind == "handled")
                    pasts[subject].add(past, acknowledged=key in acknowledged)
    return pasts


def _is_command(item: Mapping[str, Any]) -> bool:
    payload = PAYLOADS.get(item["type"])
    return payload is not None and issubclass(payload, Command)
