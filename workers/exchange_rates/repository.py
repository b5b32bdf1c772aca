"""Loads and saves tables of exchange rates and their sources, which are published views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from contracts.exchange_rates.v1 import ApproveRates, PublishRates, RejectRates
from contracts.exchange_rates.view import SOURCES, TABLES, RateTable, Source
from contracts.wire.envelope import Message
from infra.ports.store import Collection, Index, Query, Transaction
from infra.runtime.repository import Codec, Found, Loaded, Repository, with_ids
from workers.exchange_rates.model import State

Consumed = PublishRates | ApproveRates | RejectRates

_tables = Codec(RateTable, key="table_id")
_sources = Codec(Source, key="source")
to_table = _tables.to_entity
to_source = _sources.to_entity


class ExchangeRatesRepository(Repository[State, Consumed]):
    """A message sees its own table and that one's source."""

    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(
            TABLES,
            "tables of exchange rates, by the proposer's id; an approved one never changes",
            (
                Index((("as_of", 1), ("_id", 1)), "tables in order of time, for lists"),
                Index((("source", 1), ("as_of", 1), ("_id", 1)), "a source's tables in order of time"),
            ),
        ),
        Collection(SOURCES, "the newest table of each source, and the last rate of every currency"),
    )

    def __init__(self, tables: Loaded[str, RateTable], sources: Loaded[str, Source]) -> None:
        self._tables = tables
        self._sources = sources

    @classmethod
    def queries(cls, messages: Sequence[Message[Consumed]]) -> dict[str, Query]:
        return {"tables": with_ids(TABLES, (message.data.table_id for message in messages))}

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Consumed]], found: Found) -> Self:
        tables = _tables.loaded(found["tables"])
        names = {table.source for table in tables.all().values()}
        names |= {message.data.source for message in messages if isinstance(message.data, PublishRates)}
        return cls(tables, Loaded(await _sources.fetch(tx, SOURCES, names)))

    def state_for(self, message: Message[Consumed]) -> State:
        tables = self._tables.pick([message.data.table_id])
        names = {table.source for table in tables.values()}
        if isinstance(message.data, PublishRates):
            names.add(message.data.source)
        return State(tables, self._sources.pick(names))

    def keep(self, state: State) -> None:
        self._tables.keep(state.tables)
        self._sources.keep(state.sources)

    async def save(self, tx: Transaction) -> None:
        await _tables.save(tx, TABLES, self._tables)
        await _sources.save(tx, SOURCES, self._sources)
