"""Shops that send by their own logins, some of them in another one's name, and what they are answered."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from contracts.operations.v1 import MessageAnswered
from contracts.wire.catalogue import is_refusal
from contracts.wire.envelope import PAYLOADS, SHOP_EVENTS_EXCHANGE, SHOP_SOURCE, STRUCTURED
from contracts.wire.reading import content_of
from contracts.wire.refusal import NOT_YOUR_SHOP
from infra.ports.store import Document
from tests import builders
from tests.builders import a_refund_line, place, refund, update
from tests.simulation.broker import Publication, SimulatedBroker
from tests.simulation.traffic import Traffic
from tests.simulation.world import READERS, SENT, SHOPS

REFUSED = ("refused", NOT_YOUR_SHOP)
Answers = Mapping[tuple[str, str], set[tuple[str, str]]]


def forge(traffic: Traffic) -> None:
    """A shop sends in the name of another one: new orders, changes of its orders, and exactly what it sends itself."""
    rng = traffic.rng
    theirs = rng.choice(sorted(traffic.commands)) if traffic.commands else "shop-2/1001"
    shop_id, _, order_id = theirs.partition("/")
    forger = rng.choice(sorted(SHOPS.keys() - {shop_id}))
    source = f"{SHOP_SOURCE}{shop_id}"
    commands = (
        place("5001", shop_id=shop_id),
        update("cancelled", order_id).model_copy(update={"shop_id": shop_id}),
        update("paid", order_id).model_copy(update={"shop_id": shop_id}),
        refund(a_refund_line(), refund_id="forged", order_id=order_id).model_copy(update={"shop_id": shop_id}),
    )
    for number, command in enumerate(commands, start=1):
        message = builders.message(command, id=f"forged-{number}", time=SENT)
        claimed = rng.choice((source, f"{SHOP_SOURCE}{forger}", "test"))
        body = message.model_copy(update={"source": claimed}).to_bytes()
        traffic.forge(forger, command.message_type, body, STRUCTURED)
    own = builders.message(place("5002", shop_id=forger), id="forged-source", time=SENT)
    traffic.forge(forger, own.type, own.model_copy(update={"source": source}).to_bytes(), STRUCTURED)
    bare = {"shop_id": shop_id, "order_id": "5003", "distributor_id": 1, "product_id": 501, "quantity": 1}
    body = json.dumps({**bare, "total_price": "5.00"}).encode()
    traffic.forge(forger, "order.place.v1", body, "application/json")
    _under_their_ids(traffic, forger)


def _under_their_ids(traffic: Traffic, forger: str) -> None:
    """The bytes of another shop's messages: under the ids that are theirs, before or after them."""
    rng = traffic.rng
    sent = [each for each in traffic.arrivals if b'"specversion"' in each.outgoing.body and not each.forged]
    about_orders = [each for each in sent if each.outgoing.routing_key.startswith("order.")]
    others = [each for each in about_orders if f'"shop_id":"{forger}"'.encode() not in each.outgoing.body]
    for arrival in rng.sample(others, min(2, len(others))):
        outgoing = arrival.outgoing
        traffic.forge(forger, outgoing.routing_key, outgoing.body, str(outgoing.content_type))


def answered(broker: SimulatedBroker, journals: Mapping[str, Sequence[Document]], traffic: Traffic) -> Iterator[str]:
    """Each message of a login is answered to that shop, alone, with its last outcome; a forged one changes nothing."""
    found = _answers_in(broker)
    outcomes = _outcomes(journals)
    sent = {(each.shop, each.message_id) for each in traffic.by_login}
    genuine = {content_of(key) for keys in traffic.keys.values() for key in keys} | traffic.used.keys()
    for each in traffic.by_login:
        key, given = content_of(each.key), found.get((each.shop, each.message_id), set())
        if each.forged:
            if key not in genuine and key in outcomes:
                yield f"{each.message_id} by the login of {each.shop} is not its own, and was handled: {outcomes[key]}"
            expected = {REFUSED}
        else:
            expected = outcomes.get(key, set())
        if not expected <= given or not given:
            yield f"{each.shop} was answered {given} about {each.message_id}, and its outcome is {expected}"
    for shop, message_id in found.keys() - sent:
        yield f"{shop} was answered about {message_id}, which it did not send: {found[shop, message_id]}"


def _answers_in(broker: SimulatedBroker) -> Answers:
    """Outcome and code of each answer, by shop and by the shop's id; that of a bare body is its content."""
    found: defaultdict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for outgoing in broker.published:
        if outgoing.exchange == SHOP_EVENTS_EXCHANGE:
            for event in Publication(outgoing).events:
                if event["type"] == MessageAnswered.message_type:
                    data = event["data"]
                    known_as = outgoing.routing_key, data["message_id"].partition(".")[0]
                    found[known_as].add((data["outcome"], data["code"]))
    return found


def _outcomes(journals: Mapping[str, Sequence[Document]]) -> Mapping[str, set[tuple[str, str]]]:
    """What the journals have of each message at last, in the words of answers, by its key without the delivery."""
    found: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for record in (record for records in journals.values() for record in records):
        refused = {
            item["cause"]: ("refused", json.loads(item["body"])["data"]["reason"])
            for item in record.get("emitted", ())
            if is_refusal(item["type"])
        }
        for item in record.get("handled", ()):
            found[content_of(item["id"])].add(refused.get(item["id"], ("done", item["outcome"])))
        for item in record.get("dead", ()):
            found[content_of(item["id"])].add(("dead_lettered", item["reason"]))
    return found


def copied(broker: SimulatedBroker, emitted: Iterable[Document]) -> Iterator[str]:
    """The events of its orders come to each shop that reads them, as far as it may read them, and to no other."""
    due = {}
    for item in emitted:
        if item["type"].startswith("order."):
            event = json.loads(item["body"])
            if (shop := event["data"].get("shop_id")) in READERS:
                due[shop, item["id"]] = {**event, "data": PAYLOADS[item["type"]].for_shop(event["data"])}
    came = {}
    for outgoing in broker.published:
        if outgoing.exchange == SHOP_EVENTS_EXCHANGE:
            for event in Publication(outgoing).events:
                if event["type"] != MessageAnswered.message_type:
                    came[outgoing.routing_key, event["id"]] = event
    for shop, message_id in due.keys() ^ came.keys():
        what = "was not copied" if (shop, message_id) in due else "is not the shop's, and was copied"
        yield f"{message_id} {what} for {shop}"
    for key in due.keys() & came.keys():
        if due[key] != came[key]:
            yield f"{key} was copied as {came[key]}, and {due[key]} was due"
