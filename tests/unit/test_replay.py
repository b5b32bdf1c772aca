"""A dead letter goes back to the queue where it died, with its sender, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.wire.reading import SENDER_UNKNOWN
from infra.operators.dead_letters import CannotReplay, objection_to_replay, replay
from infra.ports.messaging import ATTEMPTS_HEADER, REPLAYS_HEADER, ROUTING_KEY_HEADER, SENDER_HEADER, Sender
from infra.runtime.decoding import Decoder
from infra.runtime.failure_policy import Failure, dead_letter
from tests.builders import NOW
from tests.unit.deliveries import OTHER, PLACE_V1, SHOP, an_order, delivered, in_envelope
from tests.unit.letters import QUEUE, a_letter
from tests.workflow.in_memory import ManualTime
from workers.order_intake.handlers import WORKER

HANDLER = next(handler for handler in WORKER.handlers if WORKER.queue_of(handler) == QUEUE)
DECODER = Decoder(HANDLER.payloads, 4000, ManualTime(NOW))


def letter_of(content: object, **fields: Any) -> Any:
    """The letter of a shop's message that could not be handled, as the view keeps it."""
    [work] = DECODER.works_of(delivered(content, **fields))
    item: Any = work.item
    letter = dead_letter(
        item, Failure("odd", "Odd."), worker="order_intake", queue=QUEUE, attempts=4, replays=0, sender=work.sender
    )
    shared = letter.model_dump(include={"message_id", "type", "body", "content_type", "routing_key", "sender"})
    return a_letter(**shared)


def replayed(content: object, **fields: Any) -> Any:
    """The work that a replay of it makes."""
    outgoing = replay(letter_of(content, **fields))
    sender = outgoing.headers.get(SENDER_HEADER)
    [work] = DECODER.works_of(
        delivered(
            outgoing.body,
            content_type=outgoing.content_type,
            routing_key=str(outgoing.headers.get(ROUTING_KEY_HEADER, outgoing.routing_key)),
            sender=Sender.from_header(str(sender)) if sender else None,
        )
    )
    return work


def test_it_goes_to_its_own_queue_and_counts() -> None:
    outgoing = replay(a_letter(replays=2, routing_key="order.place.v2"))

    assert (outgoing.exchange, outgoing.routing_key) == ("", QUEUE)
    assert outgoing.headers == {ATTEMPTS_HEADER: 0, REPLAYS_HEADER: 3, ROUTING_KEY_HEADER: "order.place.v2"}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"reason": "too_large"}, "too large to store"),
        ({"reason": SENDER_UNKNOWN}, "user_id"),
        ({"queue": "rule_book.rules.activate"}, "has no queue"),
        ({"queue": "order_intake.no-such"}, "has no queue"),
        ({"queue": "tributary.delay.5s"}, "has no queue"),
        ({"queue": "tributary.reply.0a", "worker": "tributary"}, "has no queue"),
        ({"worker": "order"}, "has no queue"),
        ({"worker": ""}, "has no queue"),
        ({"type": "rules.activate.v1"}, "does not read rules.activate.v1"),
        ({"queue": "rule_book.rules.activate", "worker": "rule_book"}, "does not read order.place.v2"),
    ],
)
def test_a_forged_letter_is_sent_nowhere(fields: dict[str, Any], why: str) -> None:
    letter = a_letter(**fields)

    assert why in str(objection_to_replay(letter))
    with pytest.raises(CannotReplay):
        replay(letter)


@pytest.mark.parametrize("message_type", ["order.place.v1", "order.place.v2", "unknown"])
def test_every_version_that_the_queue_reads_can_be_sent_again(message_type: str) -> None:
    assert objection_to_replay(a_letter(type=message_type)) is None


@pytest.mark.parametrize("content_type", ["application/cloudevents+json", None])
def test_a_shops_message_is_answered_to_the_shop_after_a_replay(content_type: str | None) -> None:
    content = an_order() if content_type is None else in_envelope(an_order())
    work = replayed(content, content_type=content_type, message_id="bare-1")

    known_as = "bare-1" if content_type is None else "m-1"
    assert (work.item.type, work.sender) == ("order.place.v2", Sender(SHOP, PLACE_V1, known_as))


def test_what_could_not_be_read_is_checked_when_it_can_be() -> None:
    """A version that this release does not know names another shop where we do not look for it."""
    letter = letter_of({**in_envelope({}), "type": "order.place.v9"})
    assert letter.sender == f"{SHOP}  m-1"

    now_readable = a_letter(body=str(in_envelope(an_order(OTHER))).replace("'", '"'), sender=letter.sender)
    outgoing = replay(now_readable)
    [work] = DECODER.works_of(delivered(outgoing.body, sender=Sender.from_header(str(outgoing.headers[SENDER_HEADER]))))
    assert type(work.item).__name__ == "NotYours"


def test_one_from_inside_has_no_sender() -> None:
    assert letter_of(in_envelope(an_order()), sender=None).sender is None
    assert SENDER_HEADER not in replay(a_letter()).headers
