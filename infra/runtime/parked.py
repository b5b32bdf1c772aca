"""Dead-letters what the broker itself gave up on, under the queue where that happened.

The broker moves a message that was requeued too often, and no journal records it. This loop reads it once more, so
that `dead list`, `verify`, `trace` and an alert show it. A body too large to keep was moved and reported by its own
worker; it only goes on to the queue that holds such bodies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from contracts.operations.v1 import MessageDeadLettered
from contracts.wire.envelope import Message
from contracts.wire.reading import BARE_SOURCE, Reader, too_large
from contracts.wire.refusal import Unreadable
from infra.ports.messaging import Death, Delivery, Inbox, Sender
from infra.runtime.batch import BatchLoop, Ports
from infra.runtime.decoding import Aside, each_unhandled, of_shop, read, unhandled
from infra.runtime.fold import Work
from infra.runtime.worker import Handler, Worker
from infra.settings import Settings

PREFETCH = 4
"""Small: bodies may be large here, and nothing is urgent."""

_REJECTED = "rejected"
_EXPIRED = "expired"
_PUBLISHED_BY_HAND = "parked"
_DETAILS = {
    "delivery_limit": "The broker delivered it too often without an acknowledgement: each time, the process that took "
    "it ended or lost its connection. Look into the log of its worker, then replay it.",
    _EXPIRED: "It waited longer than a policy of the broker allows for this queue. Remove the policy, then replay it.",
    "maxlen": "The queue was longer than a policy of the broker allows. Remove the policy, then replay it.",
    _REJECTED: "A foreign consumer rejected it. Find out which one, then replay it.",
    _PUBLISHED_BY_HAND: "It was published directly to the broker's dead-letter exchange. Find out by whom.",
}
"""By the broker's reason. A sender can put any other reason into the headers."""


@dataclass(frozen=True, slots=True)
class _Origin:
    """The reader and the limit of the queue where a message died."""

    reader: Reader
    bytes_max: int
    from_shops: bool


class ParkedLoop(BatchLoop):
    """Dead-letters what arrives in the parked queue of `keeper`. Messages die in the queues of `workers`."""

    def __init__(
        self,
        keeper: Worker,
        workers: Iterable[Worker],
        inbox: Inbox,
        ports: Ports,
        settings: Settings,
        *,
        routed: frozenset[str],
    ) -> None:
        # One delivery at a time: an event that died in two queues is two letters, but in one batch it would be one.
        alone = settings.model_copy(update={"batch_events_max": 1})
        [handler] = [each for each in keeper.handlers if MessageDeadLettered in each.payloads]
        super().__init__(keeper, handler, inbox, ports, alone, routed=routed, queue=keeper.parked_queue)
        self._origins = {
            worker.queue_of(handler): _origin(handler, settings) for worker in workers for handler in worker.handlers
        }

    def _is_suspect(self, delivery: Delivery) -> bool:
        """No rule runs here, so no message can end the process."""
        return False

    def _bytes_max_of(self, delivery: Delivery) -> int:
        origin = self._origins.get(self._death(delivery).queue)
        return origin.bytes_max if origin else self._settings.message_bytes_max

    def _is_too_large(self, delivery: Delivery) -> bool:
        return len(delivery.body) > self._bytes_max_of(delivery)

    def _death(self, delivery: Delivery) -> Death:
        death = delivery.death
        return death if death and death.reason in _DETAILS else Death(self._queue, _PUBLISHED_BY_HAND)

    def _decode(self, delivery: Delivery) -> list[Work]:
        death = self._death(delivery)
        items: Sequence[Unreadable]
        sender = delivery.sender or self._concealed(death)
        if sender is not None and not self._is_too_large(delivery):
            return self._of_shop(delivery, death, sender)
        if not self._is_too_large(delivery):
            items = self._dead_letters(delivery, death)
        elif death.reason == _REJECTED:
            return []
        else:
            items = [too_large(delivery.body, delivery.routing_key, self._bytes_max_of(delivery))]
        return [
            Work(item, delivery.attempts + 1, delivery.replays, reply_to=delivery.reply_to, died_in=death.queue)
            for item in items
        ]

    def _concealed(self, death: Death) -> Sender | None:
        """A shop can let its message expire, and write into the broker's headers whence it came."""
        origin = self._origins.get(death.queue)
        return Sender("") if death.reason == _EXPIRED and origin and origin.from_shops else None

    def _of_shop(self, delivery: Delivery, death: Death, sender: Sender) -> list[Work]:
        """Answered to the shop, unless it is not the shop's own: that is refused, and cannot be replayed."""
        origin = self._origins.get(death.queue)
        items = read(origin.reader, delivery) if origin else []
        found = of_shop(items, delivery, sender, Aside(death.reason, _DETAILS[death.reason]))
        return [
            Work(item, delivery.attempts + 1, delivery.replays, died_in=death.queue, sender=named)
            for item, named in found
        ]

    def _dead_letters(self, delivery: Delivery, death: Death) -> Sequence[Unreadable]:
        """Each readable message as a dead letter of its own; a body that cannot be read as it came."""
        origin = self._origins.get(death.queue)
        items = read(origin.reader, delivery) if origin else []
        reason, detail = death.reason, _DETAILS[death.reason]
        if len(items) > 1 or any(isinstance(item, Message) and item.source != BARE_SOURCE for item in items):
            return each_unhandled(items, reason, detail)
        return [unhandled(delivery, reason, detail, items)]


def _origin(handler: Handler, settings: Settings) -> _Origin:
    return _Origin(Reader(handler.payloads), settings.bytes_max_of(commands=handler.reads_command), handler.from_shops)


def parked_loops(
    workers: Iterable[Worker],
    all_workers: Iterable[Worker],
    inbox_of: Callable[[str], Inbox],
    ports: Ports,
    settings: Settings,
    *,
    routed: frozenset[str],
) -> list[BatchLoop]:
    """The parked loop, if one of these workers keeps what the broker parked."""
    return [
        ParkedLoop(worker, all_workers, inbox_of(worker.parked_queue), ports, settings, routed=routed)
        for worker in workers
        if worker.keeps_parked
    ]
