"""The messages that shops would publish for a set of baskets: orders, their later messages, and faulty ones.

The bodies are written as a shop would write them, as plain JSON and not with the contract's classes, so that they test
the contract. The same baskets and seed give the same bytes.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from random import Random
from typing import Any, Literal

from contracts.wire.envelope import BATCH, COMMANDS_EXCHANGE, SHOP_SOURCE, STRUCTURED, derived_id
from infra.demo.baskets import Basket

BARE = "application/json"
PLACE_V1, PLACE_V2, UPDATE_STATUS = "order.place.v1", "order.place.v2", "order.update-status.v1"
REFUND = "order.refund.v1"

ORDERS, PAYMENTS, SHIPMENTS, COMPLETIONS, REFUNDS = range(5)
"""The phases: each needs the earlier ones, except for the payments that precede their order on purpose."""

_BATCH_ORDERS_MAX, _BATCH_WINDOW_BASKETS, _BATCH_SHARE = 5, 100, 0.35
_PREPAID_SHARE, _CANCELLED_SHARE = 0.5, 0.03
_PAID_SHARE, _SHIPPED_SHARE, _COMPLETED_SHARE = 0.95, 0.9, 0.85
_REFUNDED_SHARE, _REFUNDED_WHOLE_SHARE, _REFUNDED_EARLY_SHARE = 0.08, 0.4, 0.25
_EARLY_SHARE, _REPEATED_SHARE, _RESENT_SHARE, _CONFLICT_SHARE, _MALFORMED_SHARE = 0.02, 0.02, 0.003, 0.003, 0.005

_SPOILT_ORDER: dict[str, dict[str, Any]] = {
    "missing_field": {"distributor_id": None},
    "unknown_field": {"voucher": "SPRING"},
    "wrong_currency": {"currency": "EUR"},
    "wrong_total": {"total": "1000000.00"},
}
_SPOILT_LINE: dict[str, dict[str, Any]] = {
    "negative_quantity": {"quantity": -1},
    "not_an_integer": {"quantity": "three"},
    "not_a_number": {"amount": "NaN"},
    "too_many_decimals": {"amount": "9.99999"},
    "finer_than_a_cent": {"amount": "9.999"},
}
_UNREADABLE = ("broken_json", "not_an_object", "unknown_type")
FLAWS = (*_UNREADABLE, *_SPOILT_ORDER, *_SPOILT_LINE)
"""Ways to spoil an order: its id is unreadable, or a field of it (None removes the field) or of its first line is
faulty. The wrong currency, the wrong total and the fraction of a cent pass the contract; only a rule can refuse them.
"""

Kind = Literal["order", "status", "refund", "duplicate", "conflict", "malformed"]
Answer = Literal["taken", "repeated", "refused", "dead_lettered"]
DistributorOf = Callable[[int], int]


@dataclass(frozen=True, slots=True)
class Publication:
    """One AMQP message. `answer` is the expected result; a status that is `taken` may still be refused by the order.

    `order_keys` are the orders of the message: several in a batch, none if it is unreadable. `message_id` is the
    CloudEvents id; a bare body and a batch have none.
    """

    routing_key: str
    body: bytes = field(repr=False)
    content_type: str | None
    kind: Kind
    answer: Answer
    order_keys: tuple[str, ...]
    message_id: str | None
    phase: int
    exchange: str = COMMANDS_EXCHANGE

    @property
    def shop_id(self) -> str | None:
        """The shop whose orders these are; None for several shops, or for what is no valid order."""
        if self.kind == "malformed":
            return None
        shops = {key.partition("/")[0] for key in self.order_keys}
        return shops.pop() if len(shops) == 1 else None

    @property
    def order_key(self) -> str | None:
        return self.order_keys[0] if len(self.order_keys) == 1 else None


@dataclass(frozen=True, slots=True)
class Expectation:
    """The expected counts at the end. `published` AMQP messages = order_messages + the five kinds below it.

    `orders` will exist, accepted or rejected (out of stock); `refused_by_contract` are invalid in the data (quantity
    0). `refused` counts every expected `order.refused`, and `dead_lettered` every dead letter. `early_statuses` are
    included in `statuses`, `resent` (the same order under another id) in `duplicates`, `batches` in `order_messages`.
    """

    published: int
    order_messages: int
    statuses: int
    refunds: int
    duplicates: int
    conflicts: int
    malformed: int
    orders: int
    batches: int
    early_statuses: int
    resent: int
    refused_by_contract: int
    refused: int
    dead_lettered: int


_PLURALS = {
    "order": "order_messages",
    "status": "statuses",
    "refund": "refunds",
    "duplicate": "duplicates",
    "conflict": "conflicts",
}

_AGAIN = "-again"
_Timeline = list[tuple[float, Publication]]
"""Publications with their position within the phase, counted in baskets."""


def traffic(baskets: Sequence[Basket], distributor_of: DistributorOf, *, seed: int = 11) -> tuple[Publication, ...]:
    """Return what the shops of `baskets` (oldest first) publish, including faults, as one publisher sends it.

    Shares: 2 % of the messages published twice, 2 % of the statuses before their order, 3 % of the orders cancelled,
    8 % of the prepaid ones refunded in part or whole (a quarter of them before the goods are sent), 0.3 % sent again
    under another id, 0.3 % sent again with other content, 0.5 % malformed (each flaw at least once).
    """
    rng = Random(seed)
    several_lines = [index for index, basket in enumerate(baskets) if len(basket.lines) > 1]
    prepaid = {index for index in several_lines if rng.random() < _PREPAID_SHARE}
    valid = [index for index in several_lines if baskets[index].orderable]

    def data(index: int) -> dict[str, Any]:
        return _order_v2(baskets[index], distributor_of, prepaid=index in prepaid)

    timeline = list(_orders(baskets, data, _batches(baskets, valid, rng)))
    timeline += _some_early(list(_statuses(baskets, prepaid, rng)), rng)
    timeline += _refunds(baskets, [index for index in valid if index in prepaid], rng)
    timeline += _repeats(timeline, rng)
    for index in _sample(valid, _RESENT_SHARE, rng):
        timeline.append((index, _order(baskets[index], data(index), "duplicate", "repeated")))
    for index in _sample(valid, _CONFLICT_SHARE, rng):
        other = data(index)
        other["lines"][0]["quantity"] += 1
        timeline.append((index, _order(baskets[index], other, "conflict", "refused")))
    for number in range(max(len(FLAWS), round(len(baskets) * _MALFORMED_SHARE)) if valid else 0):
        index = rng.choice(valid)
        timeline.append((index + rng.random(), _malformed(number, baskets[index], distributor_of)))
    timeline.sort(key=lambda entry: (entry[1].phase, entry[0]))
    return tuple(publication for _, publication in timeline)


def expect(publications: Iterable[Publication]) -> Expectation:
    """Count the expected results of the publications."""
    counts: Counter[str] = Counter()
    for publication in publications:
        kind, answer, orders = publication.kind, publication.answer, len(publication.order_keys)
        counts.update(("published", _PLURALS.get(kind, kind), answer))
        counts["orders"] += orders if (kind, answer) == ("order", "taken") else 0
        counts["refused_by_contract"] += (kind, answer) == ("order", "refused")
        counts["batches"] += kind == "order" and publication.content_type == BATCH
        counts["early_statuses"] += kind == "status" and publication.phase == ORDERS
        counts["resent"] += kind == "duplicate" and (publication.message_id or "").endswith(_AGAIN)
    return Expectation(**{each.name: counts[each.name] for each in fields(Expectation)})


def order_events(baskets: Sequence[Basket], distributor_of: DistributorOf) -> list[dict[str, Any]]:
    """Return one prepaid order for each basket, as the JSON of a structured CloudEvent, for measuring."""
    return [_event(basket, _order_v2(basket, distributor_of, prepaid=True)) for basket in baskets]


def _sample(indexes: Sequence[int], share: float, rng: Random) -> list[int]:
    return rng.sample(indexes, min(len(indexes), max(1, round(len(indexes) * share))))


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _order_v2(basket: Basket, distributor_of: DistributorOf, *, prepaid: bool) -> dict[str, Any]:
    return {
        "shop_id": basket.shop_id,
        "order_id": basket.basket_id,
        "distributor_id": distributor_of(basket.household_id),
        "currency": "USD",
        "placed_at": basket.placed_at.isoformat(),
        "lines": [
            {"product_id": product_id, "quantity": quantity, "amount": str(amount), "discount": str(discount)}
            for product_id, quantity, amount, discount in basket.lines
        ],
        "total": str(basket.net),
        "prepaid": prepaid,
    }


def _as_v1(order: dict[str, Any]) -> dict[str, Any]:
    """The version 1 of an order with one line: without a discount, the total is the price."""
    (line,) = order["lines"]
    head = {name: order[name] for name in ("shop_id", "order_id", "distributor_id")}
    return {**head, "product_id": line["product_id"], "quantity": line["quantity"], "total_price": order["total"]}


def _event(basket: Basket, data: dict[str, Any], suffix: str = "") -> dict[str, Any]:
    """A CloudEvents event in JSON; its id is the shop's, with `suffix` if one order is sent more than once."""
    return {
        "specversion": "1.0",
        "id": derived_id("demo", basket.key) + suffix,
        "source": f"{SHOP_SOURCE}{basket.shop_id}",
        "type": PLACE_V2,
        "time": basket.placed_at.isoformat(),
        "subject": f"order/{basket.key}",
        "datacontenttype": BARE,
        "data": data,
    }


def _order(basket: Basket, data: dict[str, Any], kind: Kind, answer: Answer) -> Publication:
    """One order in one envelope; duplicates and conflicts are a phase later, when the first was handled."""
    event = _event(basket, data, {"duplicate": _AGAIN, "conflict": "-other"}.get(kind, ""))
    phase = ORDERS if kind == "order" else PAYMENTS
    return Publication(PLACE_V2, _json(event), STRUCTURED, kind, answer, (basket.key,), event["id"], phase)


def _orders(
    baskets: Sequence[Basket], data: Callable[[int], dict[str, Any]], batches: dict[int, tuple[int, ...]]
) -> Iterator[tuple[float, Publication]]:
    """Every basket once: bare v1 for one line, v2 for more, alone or in a batch at the position of its last order."""
    waiting = {index for batch in batches.values() for index in batch}
    for index, basket in enumerate(baskets):
        answer: Answer = "taken" if basket.orderable else "refused"
        if len(basket.lines) == 1:
            body = _json(_as_v1(data(index)))
            yield index, Publication(PLACE_V1, body, BARE, "order", answer, (basket.key,), None, ORDERS)
        elif index in batches:
            body = _json([_event(baskets[member], data(member)) for member in batches[index]])
            keys = tuple(baskets[member].key for member in batches[index])
            yield index, Publication(PLACE_V2, body, BATCH, "order", "taken", keys, None, ORDERS)
        elif index not in waiting:
            yield index, _order(basket, data(index), "order", answer)


def _batches(baskets: Sequence[Basket], valid: Sequence[int], rng: Random) -> dict[int, tuple[int, ...]]:
    """Batches of two to five orders of one shop, by the index of the last order."""
    waiting: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for index in valid:
        waiting[index // _BATCH_WINDOW_BASKETS, baskets[index].store_id].append(index)
    groups = (
        tuple(indexes[begin : begin + _BATCH_ORDERS_MAX])
        for indexes in waiting.values()
        for begin in range(0, len(indexes), _BATCH_ORDERS_MAX)
    )
    return {group[-1]: group for group in groups if len(group) > 1 and rng.random() < _BATCH_SHARE}


def _statuses(baskets: Sequence[Basket], prepaid: set[int], rng: Random) -> Iterator[tuple[float, Publication]]:
    """The statuses of every valid order, in stock or not, because shops do not know the stock."""
    for index, basket in enumerate(baskets):
        if not basket.orderable:
            continue
        cancelled, unpaid = rng.random() < _CANCELLED_SHARE, index not in prepaid
        if unpaid and rng.random() >= (0.5 if cancelled else _PAID_SHARE):
            if cancelled:
                yield index, _status(basket, "cancelled", PAYMENTS)
            continue
        if unpaid:
            yield index, _status(basket, "paid", PAYMENTS)
        if cancelled:
            yield index, _status(basket, "cancelled", SHIPMENTS)
        elif rng.random() < _SHIPPED_SHARE:
            yield index, _status(basket, "shipped", SHIPMENTS)
            if rng.random() < _COMPLETED_SHARE:
                yield index, _status(basket, "completed", COMPLETIONS)


def _status(basket: Basket, status: str, phase: int) -> Publication:
    body = _json({"shop_id": basket.shop_id, "order_id": basket.basket_id, "status": status})
    return Publication(UPDATE_STATUS, body, BARE, "status", "taken", (basket.key,), None, phase)


def _refunds(baskets: Sequence[Basket], paid: Sequence[int], rng: Random) -> Iterator[tuple[float, Publication]]:
    """Refunds: one unit of the first line, then for some orders all the rest.

    Shops do not know which orders were rejected (out of stock) or cancelled; those refuse the refund with a reason.
    """
    for index in sorted(_sample(paid, _REFUNDED_SHARE, rng)):
        basket = baskets[index]
        phase = PAYMENTS if rng.random() < _REFUNDED_EARLY_SHARE else REFUNDS
        first, *others = basket.lines
        yield index, _refund(basket, 1, [{"line": 1, "product_id": first.product_id, "quantity": 1}], phase)
        if rng.random() < _REFUNDED_WHOLE_SHARE:
            rest = [
                {"line": number, "product_id": line.product_id, "quantity": line.quantity}
                for number, line in enumerate(others, start=2)
            ]
            if first.quantity > 1:
                rest.insert(0, {"line": 1, "product_id": first.product_id, "quantity": first.quantity - 1})
            if rest:
                yield index + 0.5, _refund(basket, 2, rest, REFUNDS)


def _refund(basket: Basket, number: int, lines: list[dict[str, int]], phase: int) -> Publication:
    body = _json(
        {
            "shop_id": basket.shop_id,
            "order_id": basket.basket_id,
            "refund_id": f"refund-{basket.basket_id}-{number}",
            "lines": lines,
        }
    )
    return Publication(REFUND, body, BARE, "refund", "taken", (basket.key,), None, phase)


def _some_early(statuses: _Timeline, rng: Random) -> _Timeline:
    """Move some payments to just before their order, so that the system must wait for the order."""
    payments = [i for i, (_, status) in enumerate(statuses) if b'"paid"' in status.body]
    early = set(rng.sample(payments, min(len(payments), max(1, round(len(statuses) * _EARLY_SHARE)))))
    return [
        (at - rng.uniform(0.5, 4.0), replace(status, phase=ORDERS)) if i in early else (at, status)
        for i, (at, status) in enumerate(statuses)
    ]


def _repeats(timeline: _Timeline, rng: Random) -> _Timeline:
    """The same bytes again, a little later, as a publisher without a confirm sends them."""
    taken = [i for i, (_, publication) in enumerate(timeline) if publication.answer == "taken"]
    chosen = (timeline[i] for i in sorted(_sample(taken, _REPEATED_SHARE, rng)))
    return [(at + rng.uniform(0.1, 30.0), replace(p, kind="duplicate", answer="repeated")) for at, p in chosen]


def _malformed(number: int, like: Basket, distributor_of: DistributorOf) -> Publication:
    """A new order, spoilt in one of the ways of `FLAWS`; `number` makes its ids unique."""
    flaw = FLAWS[number % len(FLAWS)]
    basket = like._replace(basket_id=f"{like.basket_id}-spoilt-{number}")
    order = {**_order_v2(basket, distributor_of, prepaid=True), **_SPOILT_ORDER.get(flaw, {})}
    order["lines"][0].update(_SPOILT_LINE.get(flaw, {}))
    event = _event(basket, {name: value for name, value in order.items() if value is not None})
    if flaw == "unknown_type":
        event.update(type="order.place.v9", subject="note", data={"note": basket.basket_id})
    body = _json(f"order {basket.key}" if flaw == "not_an_object" else event)
    if flaw == "broken_json":
        body = body[: body.index(b'"source"')]
    if flaw in _UNREADABLE:
        return Publication(PLACE_V2, body, STRUCTURED, "malformed", "dead_lettered", (), None, ORDERS)
    return Publication(PLACE_V2, body, STRUCTURED, "malformed", "refused", (basket.key,), event["id"], ORDERS)
