"""Many documents that match one filter of a list and none of the others, sorted before the few that match all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from contracts.orders.view import LISTS, downline_list, seller_list, shop_list, status_list
from contracts.stock.view import IS_SHORT
from infra.ports.store import Document

CROWD = 2_600
"""Of each kind: more than a page may scan along one filter."""

_EARLIER = timedelta(days=1)


@dataclass(frozen=True)
class Crowd:
    """`base` matches all filters. Each of `others` is a copy of it with these fields changed."""

    collection: str
    base: Mapping[str, Any]
    others: tuple[Mapping[str, Any], ...]

    def documents(self) -> Iterator[Document]:
        """The documents, interleaved, and sorted before the base in their list."""
        found = self.base["_id"]
        for number in range(CROWD):
            for kind, fields in enumerate(self.others):
                at = number * len(self.others) + kind
                yield {**self.base, **_unlike(self.collection, found, at), **fields}


def _unlike(collection: str, found: Any, at: int) -> Document:
    """The fields that must be unique."""
    match collection:
        case "order_intake.orders" | "commission_calculation.commissions":
            return {"_id": f"a-crowd/{at}"}
        case "settlement.statements" | "settlement.ledger" | "settlement.adjustments":
            return {"_id": f"a-crowd/{at}"}
        case "payouts.payouts":
            return {"_id": f"z-crowd/{at}"}
        case "payouts.batches":
            return {"_id": f"z-crowd-{at}"}
        case "exchange_rates.tables" | "payouts.corridors":
            return {"_id": f"a-crowd/{at}"}
        case "alerting.dead_letters" | "commission_calculation.ledger" | "alerting.alerts":
            return {"_id": f"a-crowd-{at}"}
        case "shop_webhooks.webhooks" | "shop_webhooks.deliveries":
            return {"_id": f"0-crowd-{at}"}
        case "notification.notices":
            return {"_id": f"z-crowd-{at}"}
        case "identity.users":
            return {"_id": f"0{at:031x}", "email": f"crowd-{at}@example.com"}
        case "rule_book.rules" | "settlement.terms":
            return {"_id": found + 1 + at}
        case _:
            return {"_id": 1 + at}


def crowds_of(database: Any, known: Mapping[str, Any]) -> list[Crowd]:
    """One for each list whose filters may each match many documents, but never the same ones."""
    [order] = database["order_intake.orders"].find({"_id": known["of"]})
    later = order["placed_at"] + timedelta(seconds=1)
    lists = (
        shop_list(known["shop_id"]),
        seller_list(known["distributor_id"]),
        downline_list(known["sponsor_id"]),
        status_list(known["status"]),
    )
    orders: tuple[Document, ...] = tuple({LISTS: [name], "placed_at": later} for name in lists)
    [member] = database["network.distributors"].find({"_id": known["leader_id"]})
    [standing] = member["standings"]
    before, other = {**standing, "since": standing["since"] - _EARLIER}, {**standing, "tier": "another"}
    away: Document = {"sponsor_id": None, "sponsors": [{**member["sponsors"][0], "sponsor_id": None}], "teams": []}
    left = [{"since": standing["since"], "team_id": known["team_id"]}, {"since": standing["since"], "team_id": None}]
    distributors: tuple[Document, ...] = (
        {"standings": [{**other, "active": False}], "teams": []},
        {**away, "standings": [before, {**other, "active": False}]},
        {**away, "standings": [{**standing, "active": False}]},
        {**away, "standings": [other], "teams": left},
    )
    [product] = database["catalog.products"].find({"_id": known["product_id"]})
    nothing: Document = {"category_id": 1, "tags": [], "terms": [], "active": not known["active"]}
    products = tuple({**nothing, name: product[name]} for name in ("category_id", "tags", "terms", "active"))
    [led] = database["network.teams"].find({"_id": known["team_id"]})
    leader = led["leaders"][-1]
    [letter] = database["alerting.dead_letters"].find({"_id": known["letter_id"]})
    [user] = database["identity.users"].find({"_id": known["user_id"]})
    [commission] = database["commission_calculation.commissions"].find({"_id": known["of"]})
    [posting] = database["commission_calculation.ledger"].find({"key": known["of"], "kind": "accrual"})
    [item] = database["stock_reservation.items"].find({"_id": known["product_id"]})
    [rules] = database["rule_book.rules"].find({"_id": known["version"]})
    return [
        Crowd("order_intake.orders", order, orders),
        Crowd("network.distributors", member, distributors),
        Crowd("catalog.products", product, products),
        Crowd("network.teams", led, ({"leaders": [leader, {**leader, "leader_id": known["distributor_id"]}]},)),
        Crowd(
            "alerting.dead_letters",
            letter,
            (
                {"died_at": letter["died_at"] + timedelta(seconds=1), "reason": "another"},
                {"died_at": letter["died_at"] + timedelta(seconds=1), "queue": "another"},
            ),
        ),
        Crowd("commission_calculation.commissions", commission, ({},)),
        Crowd("commission_calculation.ledger", posting, ({},)),
        Crowd("identity.users", user, ({},)),
        Crowd("stock_reservation.items", item, ({"low": False, IS_SHORT: True}, {"low": True, IS_SHORT: False})),
        *_of_settlement(database, known),
        *_of_payouts(database, known),
        *_of_alerts(database, known),
        *_of_webhooks(database, known),
        _of_exchange_rates(database, known),
        _of_corridors(database, known),
        Crowd("rule_book.rules", rules, ({"stage": "proposed", "effective_from": None},)),
    ]


def _of_settlement(database: Any, known: Mapping[str, Any]) -> list[Crowd]:
    [statement] = database["settlement.statements"].find({"_id": known["statement"]})
    [line] = database["settlement.ledger"].find({"statement": known["statement"], "kind": "adjustment"})
    [adjustment] = database["settlement.adjustments"].find({"statement": known["statement"]})
    [terms] = database["settlement.terms"].find({"_id": known["terms_version"]})
    first: Document = {"closed_at": statement["closed_at"] + timedelta(seconds=1), "number": statement["number"] + 1}
    other: Document = {"distributor_id": 1, "market": "other", "period": "1999-01", "currency": "USD"}
    others = tuple(
        {**first, **other, "outcome": "nothing", **{name: statement[name] for name in names}}
        for names in (("distributor_id",), ("market", "period"), ("currency",), ("outcome",))
    )
    return [
        Crowd("settlement.statements", statement, others),
        Crowd("settlement.ledger", line, ({},)),
        Crowd("settlement.adjustments", adjustment, ({},)),
        Crowd("settlement.terms", terms, ({"market": "other"},)),
    ]


def _of_payouts(database: Any, known: Mapping[str, Any]) -> list[Crowd]:
    [payout] = database["payouts.payouts"].find({"_id": known["statement"]})
    [batch] = database["payouts.batches"].find({"_id": known["batch_id"]})
    other: Document = {"distributor_id": 1, "batch_id": "another", "state": "paid", "attempts": []}
    others = tuple({**other, name: payout[name]} for name in ("distributor_id", "batch_id", "state"))
    return [Crowd("payouts.payouts", payout, others), Crowd("payouts.batches", batch, ({},))]


def _of_alerts(database: Any, known: Mapping[str, Any]) -> list[Crowd]:
    [alert] = database["alerting.alerts"].find({"_id": known["alert"]})
    [notice] = database["notification.notices"].find({"alert": known["alert"], "route_id": known["route"]})
    idle: Document = dict.fromkeys(("waiting_in", "open_in", "escalates_in", "expires_from"))
    return [
        Crowd("alerting.alerts", alert, ({"state": "resolved"}, {"kind": "another"})),
        Crowd("notification.notices", notice, ({**idle, "alert": "another"}, {**idle, "route_id": "another"})),
    ]


def _of_webhooks(database: Any, known: Mapping[str, Any]) -> list[Crowd]:
    """None is sent to, and nothing is sent."""
    [webhook] = database["shop_webhooks.webhooks"].find({"_id": known["webhook_id"]})
    delivery = database["shop_webhooks.deliveries"].find_one({"webhook_id": known["webhook_id"]})
    removed: Document = {"state": "removed", "is_live": None, "is_looked_at": None}
    return [
        Crowd("shop_webhooks.webhooks", webhook, (removed,)),
        Crowd("shop_webhooks.deliveries", delivery, ({"state": "delivered", "due_at": None},)),
    ]


def _of_exchange_rates(database: Any, known: Mapping[str, Any]) -> Crowd:
    [table] = database["exchange_rates.tables"].find({"_id": known["table_id"]})
    newer: Document = {"as_of": table["as_of"] + timedelta(seconds=1)}
    return Crowd("exchange_rates.tables", table, ({**newer, "state": "rejected"}, {**newer, "source": "other"}))


def _of_corridors(database: Any, known: Mapping[str, Any]) -> Crowd:
    [corridor] = database["payouts.corridors"].find({"_id": known["corridor_id"]})
    newer: Document = {"proposed_at": corridor["proposed_at"] + timedelta(seconds=1), "state": "closed"}
    return Crowd("payouts.corridors", corridor, (newer,))


@contextmanager
def crowded(database: Any, crowds: list[Crowd]) -> Iterator[None]:
    added = {crowd.collection: list(crowd.documents()) for crowd in crowds}
    for name, documents in added.items():
        database[name].insert_many(documents)
    try:
        yield
    finally:
        for name, documents in added.items():
            database[name].delete_many({"_id": {"$in": [document["_id"] for document in documents]}})
