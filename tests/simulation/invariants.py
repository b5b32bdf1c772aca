"""What must hold once a run is idle, whatever the faults before: each check yields its breaches."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from pydantic_core import from_json

from contracts.operations.v1 import MessageDeadLettered
from contracts.orders.v1 import RefundOrder
from contracts.orders.v2 import PlaceOrder
from contracts.webhooks.v1 import ShopEventCopied
from contracts.wire.envelope import EVENTS_EXCHANGE
from contracts.wire.reading import content_of
from infra.operators.verification import verify
from infra.ports.store import JOURNALS, Document
from infra.processes import clock
from tests.builders import CUP, CUPS, TEAS
from tests.oracle.oracle import left_after, recalculate
from tests.oracle.reading import read
from tests.simulation.broker import Publication, SimulatedBroker
from tests.simulation.outside import SimulatedOutside
from tests.simulation.routes import notified
from tests.simulation.scheduler import run_at_once
from tests.simulation.store import SimulatedStore
from tests.simulation.tenants import answered, copied
from tests.simulation.traffic import Traffic
from tests.simulation.webhooks import hooked
from tests.simulation.world import LEADER, OURS_WRONG_MAX, RULES, SPONSORS, START, TIERS, UNPAID_MAX
from workers.order_intake.placers import limit_of

_STEPS: Mapping[str, tuple[str, ...]] = {
    "order.accepted.v1": ("order.paid.v1", "order.rejected.v1", "order.cancelled.v1"),
    "order.paid.v1": ("order.shipped.v1", "order.cancelled.v1"),
    "order.shipped.v1": ("order.completed.v1",),
    "order.completed.v1": (),
    "order.rejected.v1": (),
    "order.cancelled.v1": (),
}


class MuchLater:
    """So late that an order still in progress is stuck."""

    def now(self) -> Any:
        return START + timedelta(days=3)


def breaches(
    store: SimulatedStore, broker: SimulatedBroker, outside: SimulatedOutside, traffic: Traffic
) -> Iterator[str]:
    report = run_at_once(verify(store, traffic.workers, MuchLater()))  # type: ignore[arg-type]
    for breach in report.breaches:
        yield f"{breach.invariant} {breach.about}: {breach.detail}"
    journals = {worker.name: list(store.tables[JOURNALS + worker.name].values()) for worker in traffic.workers}
    emitted = [item for records in journals.values() for record in records for item in record.get("emitted", ())]
    yield from _accounted_for(journals, traffic)
    yield from _used_ids(journals, traffic)
    yield from _last_commands(store, traffic)
    yield from _letters(store, traffic)
    yield from _published_as_recorded(broker, emitted)
    yield from _order_lives(emitted, store.tables["order_intake.orders"])
    yield from _paid_as_ordered(store, traffic)
    yield from _low_on_time(store, broker)
    yield from _paid_keep_their_stock(emitted)
    yield from _held_long_enough(store, traffic)
    yield from answered(broker, journals, traffic)
    yield from copied(broker, emitted)
    yield from notified(store, outside)
    yield from hooked(store, broker, outside, emitted)
    yield from _unpaid_within_limits(store)
    yield from _queues_are_empty(broker)


def _accounted_for(journals: Mapping[str, list[Document]], traffic: Traffic) -> Iterator[str]:
    """Every message from outside was either handled once or dead-lettered."""
    for worker, records in journals.items():
        times = Counter((record["queue"], item["id"]) for record in records for item in record.get("handled", ()))
        known = {(queue, content_of(key)) for queue, key in times}
        dead = {(record["queue"], item["id"]) for record in records for item in record.get("dead", ())}
        for (queue, key), handled in times.items():
            if handled > 1 or (queue, key) in dead:
                ending = " and dead-lettered" if (queue, key) in dead else ""
                yield f"{queue}: {key} was handled {handled} times{ending}"
        for queue, keys in traffic.keys.items():
            if queue.partition(".")[0] != worker:
                continue
            for key in sorted(keys):
                if (queue, key) not in known and (queue, key) not in dead:
                    yield f"{queue}: {key} was neither handled nor dead-lettered"


def _used_ids(journals: Mapping[str, list[Document]], traffic: Traffic) -> Iterator[str]:
    """One of several commands under one id was handled, and every other was refused as a conflict."""
    for key, digests in traffic.used.items():
        handled = [item for records in journals.values() for record in records for item in record.get("handled", ())]
        accepted = {item["digest"] for item in handled if item["id"] == key}
        refused = {item["id"].rpartition("#")[2] for item in handled if item["id"].startswith(f"{key}#")}
        if len(accepted) != 1 or accepted & refused or accepted | refused != digests:
            yield f"{key} was sent with {digests}; handled: {accepted}, refused: {refused}"


def _last_commands(store: SimulatedStore, traffic: Traffic) -> Iterator[str]:
    """The last command for a subject wins, even if an equal one came before."""
    for chain in traffic.chains:
        document = store.tables[chain.collection].get(chain.key, {})
        if document.get(chain.field) != chain.values[-1]:
            yield f"{chain.collection} {chain.key} is {document.get(chain.field)}, not the last of {chain.values}"


def _letters(store: SimulatedStore, traffic: Traffic) -> Iterator[str]:
    """One dead letter for each message that cannot be handled, and no other."""
    letters = Counter((d["message_id"], d["reason"]) for d in store.tables["alerting.dead_letters"].values())
    expected = Counter(traffic.dead.items())
    for letter, copies in (letters - expected).items():
        yield f"{copies} dead letter(s) too many: {letter[0]} ({letter[1]})"
    for letter in expected - letters:
        yield f"no dead letter for {letter[0]} ({letter[1]})"


def _published_as_recorded(broker: SimulatedBroker, emitted: Iterable[Document]) -> Iterator[str]:
    """An event is equal whenever it is published; everything published is in a journal, and the other way round.

    Only dead letters may be emitted again with another time: a message may die again before its first is published.
    """
    recorded: defaultdict[str, list[Any]] = defaultdict(list)
    for item in emitted:
        event = from_json(item["body"])
        if recorded[item["id"]] and event["type"] != MessageDeadLettered.message_type:
            yield f"{event['type']} {item['id']} was emitted twice"
        recorded[item["id"]].append(event)
    published: set[str] = set()
    bodies = {outgoing.body: outgoing for outgoing in broker.published if outgoing.exchange == EVENTS_EXCHANGE}
    for outgoing in bodies.values():
        for event in Publication(outgoing).events:
            if event["source"] == clock.SOURCE or event["type"] == ShopEventCopied.message_type:
                continue
            published.add(event["id"])
            if event["id"] not in recorded:
                yield f"{event['type']} {event['id']} was published, but no journal has it"
            elif event not in recorded[event["id"]]:
                yield f"{event['type']} {event['id']} was published as {event}, the journal has {recorded[event['id']]}"
    for message_id in recorded.keys() - published:
        yield f"{recorded[message_id][0]['type']} {message_id} is in a journal, but was never published"


def _order_lives(emitted: Iterable[Document], orders: Mapping[str, Document]) -> Iterator[str]:
    """The events of an order are legal steps with growing versions, and end in the stored status."""
    lives: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    used_up: set[str] = set()
    for item in emitted:
        if item["type"] == "order.refunded.v1":
            event = from_json(item["body"])
            used_up |= {event["subject"].removeprefix("order/")} if event["data"]["is_full"] else set()
        if item["type"] in _STEPS:
            event = from_json(item["body"])
            lives[event["subject"].removeprefix("order/")].append(event)
    for key, events in lives.items():
        events.sort(key=lambda event: event["data"]["version"])
        steps = [event["type"] for event in events]
        if steps[0] != "order.accepted.v1" or len({event["data"]["version"] for event in events}) < len(events):
            yield f"order/{key} went through {steps}"
        for step, following in pairwise(steps):
            if following not in _STEPS[step]:
                yield f"order/{key} went from {step} to {following}"
        last, status = steps[-1].split(".")[1], orders[key]["status"] if key in orders else "unknown"
        expected = "refunded" if key in used_up else "pending" if last == "accepted" else last
        if status != expected:
            yield f"order/{key} is {status}, its last event was {last}"
    for key in orders.keys() - lives.keys():
        yield f"order/{key} is stored, but has no event"


def _paid_as_ordered(store: SimulatedStore, traffic: Traffic) -> Iterator[str]:
    """Every balance, recalculated from the shops' commands, independently of the workers."""
    owed: Counter[tuple[int, str]] = Counter()
    for key, order in store.tables["order_intake.orders"].items():
        commands = [command for command in traffic.commands[key] if _is_of(command, order)]
        if not commands:
            yield f"order/{key} was not sent by a shop: {order}"
        elif unsent := {refund["refund_id"] for refund in order["refunds"]} - traffic.refunds[key].keys():
            yield f"order/{key} has refunds that its shop did not send: {unsent}"
        elif order["reserved"] and order["status"] in ("paid", "shipped", "completed", "refunded"):
            back = _back(commands[0], [traffic.refunds[key][refund["refund_id"]] for refund in order["refunds"]])
            stored = [(line["refunded_minor"], line["refunded_quantity"]) for line in order["lines"]]
            if stored != back:
                yield f"order/{key} has refunded {stored} of its lines, its refunds add up to {back}"
            earned = store.tables["commission_calculation.commissions"].get(key, {}).get("earned", {})
            owed.update(_owed(commands[0], order, earned, back))
    ledger: Counter[tuple[int, str]] = Counter()
    handled = {
        item["id"]
        for record in store.tables["journal.commission_calculation"].values()
        for item in record.get("handled", ())
    }
    for posting_id, posting in store.tables["commission_calculation.ledger"].items():
        if not any(posting_id.startswith(message_id) for message_id in handled):
            yield f"posting {posting_id} is not named after a message that was handled"
        for leg in posting["legs"]:
            if leg["account"] in ("held", "available"):
                ledger[leg["distributor_id"], posting["currency"]] += leg["amount_minor"]
    for account in sorted(owed.keys() | ledger.keys()):
        if owed[account] != ledger[account]:
            yield f"{account} has {ledger[account]}, the orders give {owed[account]}"


def _is_of(command: PlaceOrder, order: Document) -> bool:
    return (
        command.distributor_id == order["distributor_id"]
        and command.shipping * 100 == order["shipping_minor"]
        and [(line.product_id, line.quantity, line.amount * 100, line.discount * 100) for line in command.lines]
        == [(d["product_id"], d["quantity"], d["amount_minor"], d["discount_minor"]) for d in order["lines"]]
    )


def _back(command: PlaceOrder, refunds: Sequence[RefundOrder]) -> list[tuple[int, int]]:
    """Money and units that all these refunds together return of each line, whatever their order.

    Unit by unit: those without an amount are the first ones of their product, and each is worth what it adds to its
    line's share. Refunds of a run name no lines.
    """
    parts = [part for refund in refunds for part in refund.lines]
    back = [(0, 0)] * len(command.lines)
    for product_id in {line.product_id for line in command.lines}:
        places = [place for place, line in enumerate(command.lines) if line.product_id == product_id]
        nets = {place: int((command.lines[place].amount - command.lines[place].discount) * 100) for place in places}
        worths = [
            nets[place] * unit // command.lines[place].quantity
            - nets[place] * (unit - 1) // command.lines[place].quantity
            for place in places
            for unit in range(1, command.lines[place].quantity + 1)
        ]
        of_product = [part for part in parts if part.product_id == product_id]
        money = sum(worths[: sum(part.quantity for part in of_product if part.amount is None)])
        money += sum(int(part.amount * 100) for part in of_product if part.amount is not None)
        units = sum(part.quantity for part in of_product)
        for place in places:
            back[place] = min(money, nets[place]), min(units, command.lines[place].quantity)
            money, units = money - back[place][0], units - back[place][1]
    return back


def _owed(
    command: PlaceOrder, order: Document, earned: Document, given_back: Sequence[tuple[int, int]]
) -> Counter[tuple[int, str]]:
    """What the order earns everyone by the naive model, less the refunded money and units of each line.

    Earlier earnings depend on the order of arrival: they are taken from the worker's record, which `verify` checks.
    """
    rules = read(dict(RULES[order["rule_version"]]))
    chain: list[dict[str, Any]] = []
    above: int | None = command.distributor_id
    while above is not None:
        chain.append(_person(above))
        above = SPONSORS[above]
    lines = [
        {
            "line": number,
            "product_id": line.product_id,
            "category_id": CUPS if line.product_id == CUP else TEAS,
            "quantity": line.quantity,
            "net_minor": int((line.amount - line.discount) * 100),
        }
        for number, line in enumerate(command.lines, start=1)
    ]
    leader = _person(LEADER) if "team" in order else None
    sold = {"currency": order["currency"], "lines": lines, "chain": chain, "leader": leader}
    months = earned.get("month_minor", {}).items()
    answer = recalculate(
        rules,
        sold,
        {
            "own_sales": {int(who): amount for who, amount in earned.get("own_sales_minor", {}).items()},
            "day": {},
            "month": {(plan, int(who)): amount for plan, sums in months for who, amount in sums.items()},
        },
    )
    back = {line["line"]: sums for line, sums in zip(lines, given_back, strict=True) if any(sums)}
    owed: Counter[tuple[int, str]] = Counter()
    for key, amount in left_after(rules, answer, lines, back).items():
        owed[key[3], order["currency"]] += amount
    return owed


def _person(distributor_id: int) -> dict[str, Any]:
    return {"distributor_id": distributor_id, "tier": TIERS[distributor_id], "active": True}


def _low_on_time(store: SimulatedStore, broker: SimulatedBroker) -> Iterator[str]:
    """A product is low or not by its units on the clock's last day, even if no message mentions it; and its dates were
    checked on every day on which they had to be.
    """
    published = (outgoing for outgoing in broker.published if outgoing.exchange == EVENTS_EXCHANGE)
    events = (event for outgoing in published for event in Publication(outgoing).events)
    days = [datetime.fromisoformat(event["data"]["at"]).date() for event in events if event["source"] == clock.SOURCE]
    for product_id, item in store.tables["stock_reservation.items"].items() if days else ():
        left = sum(
            max(lot["on_hand"] - lot["reserved"], 0)
            for lot in item["lots"]
            if "expires_on" not in lot
            or lot["expires_on"] is None
            or date.fromisoformat(lot["expires_on"]) - max(days) >= timedelta(days=3)
        )
        left -= sum(max(lot["reserved"] - lot["on_hand"], 0) for lot in item["lots"])
        if left <= item["low_at"] < item["recovered_at"] and not item["low"]:
            yield f"product/{product_id} had {left} units left on {max(days)} and is not low"
        if (due := item.get("next_check_on")) is not None and due <= max(days).isoformat():
            yield f"product/{product_id} was to be checked on {due}, and the clock has passed {max(days)}"


def _paid_keep_their_stock(emitted: Iterable[Document]) -> Iterator[str]:
    """A stock count never cancels a paid order."""
    for item in emitted:
        if item["type"] == "order.cancelled.v1":
            data = from_json(item["body"])["data"]
            if data["reason"] == "stock_oversold" and data["was_paid"]:
                yield f"order/{data['shop_id']}/{data['order_id']} was paid and had to give up its stock"


def _held_long_enough(store: SimulatedStore, traffic: Traffic) -> Iterator[str]:
    """The hold of an order begins when the message of its completion arrives, whatever the shop's clock."""
    arrived_ms = traffic.completed_ms()
    for key, commission in store.tables["commission_calculation.commissions"].items():
        if commission["status"] == "released":
            known = START + timedelta(milliseconds=arrived_ms[key]) - OURS_WRONG_MAX
            due = known + timedelta(days=commission["hold_days"])
            if commission["released_at"] < due:
                yield f"order/{key} was released at {commission['released_at']}, and is held until {due}"


def _unpaid_within_limits(store: SimulatedStore) -> Iterator[str]:
    """However a distributor's orders were batched, no one has more unpaid ones than the shop allows."""
    orders = store.tables["order_intake.orders"].values()
    placers = [o.get("placed_by") for o in orders if o["status"] == "pending" and not o["prepaid"]]
    for placer, number in Counter(limit_of(placer)[0] for placer in placers if placer is not None).items():
        if number > UNPAID_MAX:
            yield f"distributor {placer} has {number} unpaid orders, and {UNPAID_MAX} are allowed"


def _queues_are_empty(broker: SimulatedBroker) -> Iterator[str]:
    for queue, queued in broker.queues.items():
        if queued:
            yield f"{queue}: {len(queued)} message(s) are left"
    for queue, inboxes in broker.inboxes.items():
        if left := sum(len(inbox.unacknowledged) for inbox in inboxes):
            yield f"{queue}: {left} message(s) were never acknowledged"
