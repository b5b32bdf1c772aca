"""Reads tables of exchange rates. The API and the command line share it."""

from __future__ import annotations

from contracts.exchange_rates.view import TABLES, RateTable
from infra.ports.store import Reader
from infra.runtime.repository import Codec

to_table = Codec(RateTable, key="table_id").to_entity


async def table_with(reader: Reader, table_id: str) -> RateTable | None:
    found = await reader.find(TABLES, {"_id": table_id}, limit=1)
    return to_table(found[0]) if found else None
