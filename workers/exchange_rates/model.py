"""The tables of exchange rates that a message concerns, and their sources. Both are published views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from contracts.exchange_rates.view import RateTable, Source


@dataclass(frozen=True, slots=True)
class State:
    tables: Mapping[str, RateTable] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)

    def with_table(self, table: RateTable) -> Self:
        return replace(self, tables={**self.tables, table.table_id: table})

    def with_newest(self, table: RateTable) -> Self:
        """The table is the newest of its source from now on."""
        before = self.sources.get(table.source)
        last = {**before.last_rates, **table.rates} if before is not None else dict(table.rates)
        newest = Source(table.source, table.table_id, table.base, table.as_of, last)
        return replace(self.with_table(table), sources={**self.sources, table.source: newest})
