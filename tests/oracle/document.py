"""The examples of docs/commissions.md: its tables, and the rule sets above them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from tests.oracle.oracle import Books, Order

DOCUMENT = (Path(__file__).parents[2] / "docs" / "commissions.md").read_text("utf-8")
CATEGORIES = {501: 7, 502: 7, 601: 8}
"""The categories that the document gives to its products."""

Row = dict[str, str]


@dataclass(frozen=True)
class Example:
    """One row of a table below a rule set: an order, the books before it, and what each plan pays."""

    rules: dict[str, Any]
    row: Row

    @property
    def chain(self) -> list[dict[str, Any]]:
        tiers = self.row["chain"].split(", ")
        return [
            {"distributor_id": 100 + level, "tier": tier.strip("()"), "active": not tier.startswith("(")}
            for level, tier in enumerate(tiers, start=1)
        ]

    @property
    def order(self) -> Order:
        lines = []
        for number, sold in enumerate(self.row["sold"].split(" / "), start=1):
            product_id, net = sold.split()
            lines.append(
                {
                    "line": number,
                    "product_id": int(product_id),
                    "category_id": CATEGORIES[int(product_id)],
                    "quantity": 1,
                    "net_minor": cents(net),
                }
            )
        return {"currency": "CNY", "lines": lines, "chain": self.chain, "leader": None}

    @property
    def books(self) -> Books:
        """The columns with earlier figures, by level; only rule sets of one plan have them."""
        plan = self.rules["plans"][0]["name"]
        books: Books = {"own_sales": {}, "day": {}, "month": {}}
        for book, column in (("day", "had that day"), ("month", "had that month"), ("own_sales", "own sales before")):
            for level, amount in enumerate(filter(None, self.row.get(column, "").split(", ")), start=1):
                books[book][100 + level if book == "own_sales" else (plan, 100 + level)] = cents(amount)
        return books

    @property
    def answers(self) -> dict[tuple[int, str, int], int | str]:
        """The row's results by line, plan and level: an amount in cents, or a reason code."""
        found: dict[tuple[int, str, int], int | str] = {}
        for plan in (column.strip("`") for column in self.row if column.startswith("`")):
            for line, cell in enumerate(self.row[f"`{plan}`"].split(" / "), start=1):
                for level, answer in enumerate(cell.split(", "), start=1):
                    found[line, plan, level] = answer.strip("`") if answer.startswith("`") else cents(answer)
        return found

    def __str__(self) -> str:
        return " | ".join(self.row.values())


def cents(amount: str) -> int:
    return int(Decimal(amount) * 100)


def examples() -> list[Example]:
    """Each rule set with the rows of the table right below it."""
    blocks = re.findall(r"```yaml\n(.*?)```\n\n((?:\|[^\n]*\n)+)", DOCUMENT, re.DOTALL)
    return [Example(yaml.safe_load(rules), row) for rules, table in blocks for row in _rows(table.splitlines())]


def table(first_column: str) -> list[Row]:
    """The rows of the one table that begins with this column, by column."""
    tables = re.findall(r"(?:^\|.*\n)+", DOCUMENT, re.MULTILINE)
    (found,) = [one for one in tables if one.startswith(f"| {first_column} |")]
    return list(_rows(found.splitlines()))


def codes(first_column: str) -> set[str]:
    """The codes in the first column of a table."""
    return {code for row in table(first_column) for code in re.findall(r"`(\w+)`", row[first_column])}


def _rows(lines: list[str]) -> Iterator[Row]:
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    for row in rows:
        yield dict(zip(header, row, strict=True))
