"""Past orders for rehearsals: real baskets in an in-memory store, or a few orders by hand."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, date, datetime
from functools import cache
from itertools import islice
from typing import Any

from rich.console import Console

from contracts.commissions.view import COMMISSIONS
from contracts.network.view import DISTRIBUTORS, Distributor
from contracts.orders.view import ORDERS, downline_list
from contracts.rules.view import (
    MARKETS,
    RULES,
    Market,
    RuleSet,
    Terms,
    Unilevel,
)
from infra.demo.baskets import Basket, baskets
from infra.ports.store import Collection, Document, Index
from infra.rehearsal.backtest import Backtest
from infra.rehearsal.move import MovePreview
from infra.rehearsal.move_view import print_preview
from infra.rehearsal.orders import Paid
from infra.rehearsal.view import print_backtest
from infra.runtime.repository import Codec
from tests.bench.stored_orders import CURRENCY, RULE_VERSION, rules_document, stored
from tests.workflow.in_memory import InMemoryStore

BASKETS = 1_300
"""Nearly three slices of about four days each."""

FIRST, LAST = date(2017, 1, 1), date(2017, 1, 31)
JANUARY = datetime(2017, 1, 15, 12, tzinfo=UTC)

distributors_codec = Codec(Distributor, key="distributor_id")
_rules = Codec(RuleSet, key="rule_version")
markets_codec = Codec(Market, key="market")


@cache
def the_baskets() -> list[Basket]:
    return list(islice(baskets(BASKETS), BASKETS))


@cache
def a_past() -> tuple[list[Document], list[Document], Document]:
    """Orders, commissions and the rule set of real baskets; never changed."""
    bought = the_baskets()
    documents = list(stored(bought))
    orders = [order for order, _ in documents]
    return orders, [paid for _, paid in documents if paid is not None], rules_document(bought)


def a_store(**more: list[Document]) -> InMemoryStore:
    """A store with every collection that a rehearsal reads, and these documents."""
    store = InMemoryStore(
        [
            Collection(ORDERS, "", (Index((("placed_at", 1),), ""),)),
            *(Collection(name, "") for name in (COMMISSIONS, RULES, MARKETS, DISTRIBUTORS)),
        ]
    )
    names = {"orders": ORDERS, "commissions": COMMISSIONS, "rules": RULES, "markets": MARKETS, "people": DISTRIBUTORS}
    for name, documents in more.items():
        for document in documents:
            store.table(names[name]).put(document)
    return store


def the_past() -> InMemoryStore:
    orders, commissions, rules = a_past()
    return a_store(orders=orders, commissions=commissions, rules=[rules])


def everything(store: InMemoryStore) -> dict[str, Any]:
    return {name: deepcopy(store.table(name).documents) for name in store.names()}


def an_order(
    key: str = "shop-1/1", *, placed_at: datetime = JANUARY, chain: tuple[int, ...] = (3, 2, 1), **fields: Any
) -> Document:
    """One unit for 100.00 dollars, sold by the first of the chain; all are of tier standard and active."""
    line = {"line": 1, "product_id": 501, "category_id": 7, "quantity": 1, "amount_minor": 10_000, "discount_minor": 0}
    upline = [{"level": n, "distributor_id": d, "tier": "standard", "active": True} for n, d in enumerate(chain, 1)]
    return {
        "_id": key,
        "status": "paid",
        "currency": CURRENCY,
        "placed_at": placed_at,
        "lines": [{**line, "refunded_quantity": 0, "refunded_minor": 0}],
        "upline": upline,
        "lists": [downline_list(distributor_id) for distributor_id in chain],
        "rule_version": RULE_VERSION,
        **fields,
    }


def a_commission(key: str = "shop-1/1", *amounts: tuple[int, int]) -> Document:
    """Booked under plan `direct`; each amount is a distributor id and minor units."""
    entries = [{"line": 1, "plan": "direct", "distributor_id": d, "amount_minor": minor} for d, minor in amounts]
    return {"_id": key, "entries": entries, "reversals": []}


def levels(*rates_ppm: int, **fields: Any) -> Unilevel:
    return Unilevel("direct", rates_ppm, **fields)


def terms(*plans: Any, pool_rate_ppm: int = 200_000, market: str = "default") -> Terms:
    return Terms("Draft", market, pool_rate_ppm, plans)


def rules(version: int, promised: Terms) -> Document:
    return _rules.to_document(
        RuleSet(version, "active", "0" * 64, promised, "a", "b", "a", datetime(2016, 1, 1, tzinfo=UTC))
    )


def money_of(paid: tuple[Paid, ...]) -> list[tuple[int, str, int, int, int]]:
    return [tuple(entry) for entry in paid]  # type: ignore[misc]


def shown(found: Backtest | MovePreview) -> str:
    console = Console(record=True, width=200, file=_Nowhere())  # type: ignore[arg-type]
    if isinstance(found, Backtest):
        print_backtest(found, console)
    else:
        print_preview(found, console)
    return console.export_text()


class _Nowhere:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None: ...
