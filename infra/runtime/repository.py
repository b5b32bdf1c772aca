"""The parts of a worker's `repository.py`: the state of one batch, loaded once and saved once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar, get_type_hints

from pydantic import TypeAdapter

from contracts.wire.envelope import Message, P
from infra.ports.store import Change, Collection, Document, Find, Query, Transaction

K = TypeVar("K")
V = TypeVar("V")
S = TypeVar("S")


class Found(dict[str, list[Document]]):
    """Results by the name of their query; an empty list for a query that did not run."""

    def __missing__(self, name: str) -> list[Document]:
        return []


class Repository(ABC, Generic[S, P]):
    """The state that one batch needs, for messages of the payloads `P`.

    `queries` depend on the messages alone, so that one round trip runs them all; `load` builds the state from their
    results, and reads what follows from these. `state_for` returns the part that one message sees; `keep` stores that
    part after a decision. The two share nothing mutable, so a message whose rule raises changes nothing.
    """

    collections: ClassVar[tuple[Collection, ...]]

    @classmethod
    @abstractmethod
    def queries(cls, messages: Sequence[Message[P]]) -> Mapping[str, Query]: ...

    @classmethod
    @abstractmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[P]], found: Found) -> Self: ...

    @abstractmethod
    def state_for(self, message: Message[P]) -> S: ...

    @abstractmethod
    def keep(self, state: S) -> None: ...

    @abstractmethod
    async def save(self, tx: Transaction) -> None: ...


async def run_queries(tx: Transaction, queries: Mapping[str, Query]) -> Found:
    """Run the queries that can find something, in one round trip."""
    active = {name: query for name, query in queries.items() if not query.is_idle}
    return Found(zip(active, await tx.find_all(list(active.values())), strict=True))


class Loaded(Generic[K, V]):
    """Entities of one kind by key. Reads see the newest version; only changed ones are saved, in order of change."""

    def __init__(self, found: Mapping[K, V]) -> None:
        self._stored = dict(found)
        self._kept: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        kept = self._kept.get(key)
        return kept if kept is not None else self._stored.get(key)

    def all(self) -> dict[K, V]:
        return {**self._stored, **self._kept}

    def pick(self, keys: Iterable[K]) -> dict[K, V]:
        """The entities among `keys` that exist."""
        return {key: value for key in keys if (value := self.get(key)) is not None}

    def keep(self, values: Mapping[K, V]) -> None:
        for key, value in values.items():
            if value is not self.get(key):
                self._kept[key] = value

    @property
    def created(self) -> list[V]:
        return [value for key, value in self._kept.items() if key not in self._stored]

    @property
    def changed(self) -> list[tuple[V, V]]:
        """Each changed entity as stored, and as it is now."""
        return [(self._stored[key], value) for key, value in self._kept.items() if key in self._stored]


def with_ids(collection: str, ids: Iterable[Any]) -> Find:
    return Find(collection, {"_id": {"$in": list(set(ids))}})


def _nothing(_: object) -> Document:
    return {}


class Codec(Generic[V]):
    """Turns a frozen dataclass into a document and back; `key` names the field stored as `_id`.

    `derived` computes fields from the others that exist for an index only.
    """

    def __init__(self, entity: type[V], *, key: str, derived: Callable[[V], Document] = _nothing) -> None:
        self._adapter = TypeAdapter(entity)
        self._key = key
        self._derived = derived
        self._names = [name for name in get_type_hints(entity) if name != key]

    def to_document(self, entity: V) -> Document:
        """An absent value is an absent field, so that sparse indexes stay small."""
        fields = self._adapter.dump_python(entity)
        document: Document = {name: value for name, value in fields.items() if value is not None}
        document["_id"] = document.pop(self._key)
        document.update((name, value) for name, value in self._derived(entity).items() if value is not None)
        return document

    def to_change(self, stored: V, entity: V) -> Change | None:
        """The change to the stored document; None if nothing changed."""
        names = {name for name in self._names if getattr(stored, name) != getattr(entity, name)}
        if not names:
            return None
        fields = self._adapter.dump_python(entity, include=names)
        derived_before = self._derived(stored)
        fields |= {name: now for name, now in self._derived(entity).items() if now != derived_before[name]}
        return Change(
            getattr(entity, self._key),
            {name: value for name, value in fields.items() if value is not None},
            tuple(name for name, value in fields.items() if value is None),
        )

    def to_entity(self, document: Document) -> V:
        return self._adapter.validate_python({**document, self._key: document["_id"]})

    def by_key(self, documents: Iterable[Document]) -> dict[Any, V]:
        return {document["_id"]: self.to_entity(document) for document in documents}

    def loaded(self, documents: Iterable[Document]) -> Loaded[Any, V]:
        return Loaded(self.by_key(documents))

    async def fetch(self, tx: Transaction, collection: str, keys: Iterable[Any]) -> dict[Any, V]:
        """The entities with these keys, by key, in one query; no query for no keys."""
        query = with_ids(collection, keys)
        return self.by_key([] if query.is_idle else await query.run(tx))

    async def save(self, tx: Transaction, collection: str, loaded: Loaded[Any, V]) -> None:
        """Write what changed: new entities in one insert, and the changed fields of existing ones."""
        if created := loaded.created:
            await tx.insert(collection, [self.to_document(entity) for entity in created])
        changes = (self.to_change(stored, entity) for stored, entity in loaded.changed)
        await tx.change(collection, [change for change in changes if change is not None])
