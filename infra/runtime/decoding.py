"""Decodes the deliveries of one queue into messages, and gives bare bodies their ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from contracts.wire.envelope import Message, Payload, derived_id
from contracts.wire.reading import (
    BARE_SOURCE,
    SENDER_UNKNOWN,
    UNREADABLE_PROPERTY,
    Reader,
    is_enveloped,
    too_large,
    unhandled_body,
    unhandled_message,
)
from contracts.wire.refusal import NotYours, Unreadable
from infra.ports.messaging import Delivery, Sender
from infra.ports.time import Time
from infra.runtime.failure_policy import Failure
from infra.runtime.fold import Work
from infra.shops.ownership import SENDER_UNKNOWN_BYTES_MAX, SENDER_UNKNOWN_DETAIL, owned


class Decoder:
    """Reads messages of these payloads in bodies of at most `bytes_max`; larger ones are not even parsed."""

    def __init__(self, payloads: Sequence[type[Payload]], bytes_max: int, time: Time) -> None:
        self._reader = Reader(payloads)
        self._bytes_max = bytes_max
        self._time = time
        self._last_moment = ""
        self._this_moment: dict[str, int] = {}

    def is_too_large(self, delivery: Delivery) -> bool:
        return max(delivery.whole_bytes, len(delivery.body)) > self._bytes_max

    def works_of(self, delivery: Delivery) -> list[Work]:
        items: Sequence[Message[Any] | Unreadable]
        delivery_id = self._delivery_id(delivery)
        aside = None
        if self.is_too_large(delivery):
            items = [
                too_large(
                    delivery.body,
                    delivery.routing_key,
                    self._bytes_max,
                    whole_bytes=delivery.whole_bytes,
                    whole_id=delivery.whole_id,
                )
            ]
        else:
            items = read(self._reader, delivery, delivery_id)
            if delivery.undecoded is not None:
                aside = Aside(UNREADABLE_PROPERTY, cannot_decode(delivery.undecoded))
        if delivery.sender is not None:
            works = [
                Work(item, delivery.attempts + 1, delivery.replays, delivery.redelivered, sender=sender)
                for item, sender in of_shop(items, delivery, delivery.sender, aside)
            ]
        else:
            items = [unhandled(delivery, aside.reason, aside.detail, items)] if aside else items
            works = [
                Work(item, delivery.attempts + 1, delivery.replays, delivery.redelivered, reply_to=delivery.reply_to)
                for item in items
            ]
        if len(works) == 1 and isinstance(item := works[0].item, Message) and item.source == BARE_SOURCE:
            return [self._named(works[0], item, delivery, delivery_id)]
        return works

    def unread(self, delivery: Delivery, failure: Failure) -> list[Work]:
        """The whole delivery, to be dead-lettered without a look at its body."""
        item = unhandled(delivery, failure.reason, failure.detail)
        if delivery.sender is None:
            return [Work(item, delivery.attempts + 1, delivery.replays, reply_to=delivery.reply_to)]
        return [
            Work(each, delivery.attempts + 1, delivery.replays, sender=sender)
            for each, sender in of_shop([item], delivery, delivery.sender)
        ]

    def _named(self, work: Work, item: Message[Any], delivery: Delivery, delivery_id: str) -> Work:
        """Number equal bare bodies within one moment, and set how a redelivered one is matched."""
        if not item.id.endswith(f".{delivery_id}"):
            # A copy of ours keeps the id from its first delivery.
            return work
        times = self._this_moment[item.id] = self._this_moment.get(item.id, 0) + 1
        if times > 1:
            item = item.model_copy(update={"id": f"{item.id}+{times}"})
        match_by: Literal["content", "message_id"] = "message_id" if delivery.message_id else "content"
        recalled_by = match_by if delivery.redelivered else None
        return replace(work, item=item, recalled_by=recalled_by, receipt=delivery.receipt)

    def _delivery_id(self, delivery: Delivery) -> str:
        """The AMQP message id, then our clock in milliseconds, which distinguishes deliveries of equal bare bodies."""
        moment = f"{int(self._time.now().timestamp() * 1000):x}"
        if moment != self._last_moment:
            self._last_moment = moment
            self._this_moment.clear()
        return f"m{derived_id(delivery.message_id)[:13]}-{moment}" if delivery.message_id else moment


@dataclass(frozen=True, slots=True)
class Aside:
    """Why a whole delivery is dead-lettered, whatever is in it."""

    reason: str
    detail: str


def of_shop(
    items: Sequence[Message[Any] | Unreadable], delivery: Delivery, sender: Sender, aside: Aside | None = None
) -> list[tuple[Message[Any] | Unreadable | NotYours, Sender | None]]:
    """Each message of a shop with its sender, or refused where it is not that shop's own, also in a delivery that is
    set `aside`: an operator may replay it.
    """
    if not sender.shop:
        if not items and aside is None:
            return []
        size_bytes = delivery.whole_bytes or len(delivery.body)
        whole = unhandled(delivery, SENDER_UNKNOWN, f"{SENDER_UNKNOWN_DETAIL} The body has {size_bytes} bytes.", items)
        # Without its subject: that may be the order of another shop than the sender.
        return [(replace(whole, body=_beginning(whole.body, SENDER_UNKNOWN_BYTES_MAX), concerns=None), None)]
    # What comes back to be tried again has been checked, and is in an envelope by now.
    may_be_bare = bool(sender.sent_as) or not is_enveloped(delivery.body, delivery.content_type)
    found: list[tuple[Message[Any] | Unreadable | NotYours, Sender | None]] = []
    for item in items:
        sent_as = sender.sent_as or (item.sent_as if isinstance(item, Message) else item.type)
        if isinstance(item, Message):
            item.was_sent_as(sent_as)
        checked = owned(item, sender.shop, may_be_bare=may_be_bare)
        if aside is not None and not isinstance(checked, NotYours):
            [checked] = (
                [unhandled(delivery, aside.reason, aside.detail, items)]
                if len(items) == 1
                else each_unhandled([checked], aside.reason, aside.detail)
            )
        found.append((checked, Sender(sender.shop, sent_as, sender.message_id or _id_given(item, delivery))))
    return found


def _beginning(body: bytes, bytes_max: int) -> bytes:
    """The first bytes of a body; a text ends before the character that does not fit."""
    end = min(bytes_max, len(body))
    while 0 < end < len(body) and body[end] & 0xC0 == 0x80:
        end -= 1
    return body[:end]


def _id_given(item: Message[Any] | Unreadable, delivery: Delivery) -> str:
    """The id by which the sender knows the message: that of the envelope, else that of the delivery."""
    made = item.source == BARE_SOURCE if isinstance(item, Message) else item.id == derived_id("unreadable", item.body)
    return (delivery.message_id if made else None) or item.id


def cannot_decode(properties: str) -> str:
    return (
        f"{properties} cannot be decoded: a text must be UTF-8, a timestamp in seconds, an expiration a number, "
        "all properties together 4 KB at most. Correct the sender; a replay sends the body without it."
    )


def read(reader: Reader, delivery: Delivery, delivery_id: str = "") -> list[Message[Any] | Unreadable]:
    return reader.read(
        delivery.body,
        content_type=delivery.content_type,
        routing_key=delivery.routing_key,
        received_at=delivery.received_at,
        delivery_id=delivery_id,
    )


def each_unhandled(items: Sequence[Message[Any] | Unreadable], reason: str, detail: str) -> list[Unreadable]:
    """Each message of a batch by itself, to be dead-lettered."""
    return [
        replace(item, reason=reason, detail=detail)
        if isinstance(item, Unreadable)
        else unhandled_message(item, reason, detail)
        for item in items
    ]


def unhandled(
    delivery: Delivery, reason: str, detail: str, items: Sequence[Message[Any] | Unreadable] = ()
) -> Unreadable:
    """The whole delivery, to be dead-lettered as it came; `items` are the messages in its body."""
    return unhandled_body(
        delivery.body,
        reason,
        detail,
        content_type=delivery.content_type,
        routing_key=delivery.routing_key,
        read=items,
    )
