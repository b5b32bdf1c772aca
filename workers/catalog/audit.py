"""I4: the size of the catalogue; each tag exists and counts the products that have it."""

from __future__ import annotations

from collections import Counter

from contracts.catalog.view import PRODUCTS, TAGS
from infra.auditing.audit import Read, Report


async def audit(read: Read, report: Report) -> None:
    products = 0
    having: Counter[int] = Counter()
    async for product in read.stream(PRODUCTS, report.among("tag", "tags", int), fields=("tags",)):
        products += 1
        having.update(product.get("tags", ()))
    report.figure("I4", "products", products)
    async for tag in read.stream(TAGS, report.among("tag", "_id", int)):
        count = having.pop(tag["_id"], 0)
        about = f"tag/{tag['_id']}"
        report.require(tag["products"] == count, "I4", about, f"{count} products have it, it counts {tag['products']}")
        report.require(not (count and tag["removed"]), "I4", about, "it was removed, but products have it")
    for tag_id, count in having.items():
        report.breach("I4", f"tag/{tag_id}", f"{count} products have it, but it does not exist")
