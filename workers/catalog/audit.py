"""How large the catalogue is; a product by itself has no invariant."""

from __future__ import annotations

from contracts.catalog.view import PRODUCTS
from infra.runtime.audit import Read, Report


async def audit(read: Read, report: Report) -> None:
    report.figure("I4", "products", sum([1 async for _ in read.stream(PRODUCTS, {}, fields=("_id",))]))
