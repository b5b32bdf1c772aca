"""Reads corridors, for the API."""

from __future__ import annotations

from contracts.corridors.view import CORRIDORS, Corridor
from infra.ports.store import Reader
from infra.runtime.repository import Codec

to_corridor = Codec(Corridor, key="corridor_id").to_entity


async def corridor_with(reader: Reader, corridor_id: str) -> Corridor | None:
    found = await reader.find(CORRIDORS, {"_id": corridor_id}, limit=1)
    return to_corridor(found[0]) if found else None
