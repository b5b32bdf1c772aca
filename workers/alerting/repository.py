"""Loads the alerts and dead letters of a batch and saves the changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, Self

from contracts.notifications.v1 import RouteFailing, RouteRecovered
from contracts.operations.v1 import MessageDeadLettered, QueueMeasured, ReportVerification, SettleDeadLetter
from contracts.operations.view import ALERTS, DEAD_LETTERS, Alert, DeadLetter
from contracts.payouts.v1 import (
    PayoutConflicting,
    PayoutDoubtful,
    PayoutFailed,
    PayoutPaid,
    PayoutReturned,
    PayoutsReleased,
    RailPaused,
    RailResumed,
)
from contracts.stock.v1 import StockExpired, StockExpiring, StockLow, StockRecovered, StockShortageChanged
from contracts.subjects import OfProduct
from contracts.webhooks.v1 import OfWebhook, WebhookDisabled, WebhookEnabled, WebhookRemoved
from contracts.wire.envelope import Message
from infra.ports.store import Collection, Index, Query, Transaction
from infra.runtime.repository import Codec, Found, Loaded, Repository, with_ids
from workers.alerting.model import (
    PARKED_ALERT,
    Measured,
    State,
    breach_alert,
    conflict_alert,
    dead_letter_alert,
    doubt_alert,
    expired_alert,
    expiring_alert,
    letters_of_shop,
    oversold_alert,
    queue_alert,
    rail_alert,
    returned_alert,
    route_alert,
    stock_alert,
    webhook_alert,
)

QUEUES = "alerting.queues"
_ONE = "queues"

Consumed = (
    StockLow
    | StockRecovered
    | StockShortageChanged
    | StockExpiring
    | StockExpired
    | WebhookDisabled
    | WebhookEnabled
    | WebhookRemoved
    | PayoutDoubtful
    | PayoutPaid
    | PayoutFailed
    | PayoutReturned
    | PayoutConflicting
    | PayoutsReleased
    | RailPaused
    | RailResumed
    | QueueMeasured
    | RouteFailing
    | RouteRecovered
    | ReportVerification
    | MessageDeadLettered
    | SettleDeadLetter
)

_OF_STOCK: Mapping[type[OfProduct], Callable[[int], str]] = MappingProxyType(
    {
        StockLow: stock_alert,
        StockRecovered: stock_alert,
        StockShortageChanged: oversold_alert,
        StockExpiring: expiring_alert,
        StockExpired: expired_alert,
    }
)

_alerts = Codec(Alert, key="alert")
_letters = Codec(DeadLetter, key="letter_id")
_measured = Codec(Measured, key="name")
to_alert = _alerts.to_entity


class AlertRepository(Repository[State, Consumed]):
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(ALERTS, "alerts by their key", (Index((("state", 1), ("_id", 1)), "open alerts, in pages"),)),
        Collection(
            DEAD_LETTERS,
            "dead letters, by the id of their event",
            (
                Index(
                    (("state", 1), ("queue", 1), ("died_at", 1), ("_id", 1)), "dead letters of a queue, newest first"
                ),
                Index((("state", 1), ("died_at", 1), ("_id", 1)), "waiting dead letters, newest first"),
                Index((("concerns", 1),), "dead letters of an order", sparse=True),
            ),
        ),
        Collection(QUEUES, "queues as last measured, in one document"),
    )

    def __init__(
        self, alerts: Loaded[str, Alert], letters: Loaded[str, DeadLetter], measured: Loaded[str, Measured]
    ) -> None:
        self._alerts = alerts
        self._letters = letters
        self._measured = measured

    @classmethod
    def queries(cls, messages: Sequence[Message[Consumed]]) -> dict[str, Query]:
        queues = [_ONE for message in messages if isinstance(message.data, QueueMeasured)]
        return {
            "letters": with_ids(DEAD_LETTERS, filter(None, map(_letter_key, messages))),
            "queues": with_ids(QUEUES, queues),
        }

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Consumed]], found: Found) -> Self:
        """A command names only its letter, so the letters are loaded first; they name their alerts. The queues as last
        measured name theirs.
        """
        letters, measured = _letters.loaded(found["letters"]), _measured.loaded(found["queues"])
        keys = {key for message in messages for key in _alert_keys(message, letters, measured.get(_ONE))}
        return cls(Loaded(await _alerts.fetch(tx, ALERTS, keys)), letters, measured)

    def state_for(self, message: Message[Consumed]) -> State:
        measured = self._measured.get(_ONE) if isinstance(message.data, QueueMeasured) else None
        alerts, letter = _alert_keys(message, self._letters, measured), _letter_key(message)
        return State(self._alerts.pick(alerts), self._letters.pick([letter] if letter else []), measured)

    def keep(self, state: State) -> None:
        self._alerts.keep(state.alerts)
        self._letters.keep(state.letters)
        if state.measured is not None:
            self._measured.keep({_ONE: state.measured})

    async def save(self, tx: Transaction) -> None:
        await _alerts.save(tx, ALERTS, self._alerts)
        await _letters.save(tx, DEAD_LETTERS, self._letters)
        await _measured.save(tx, QUEUES, self._measured)


def _letter_key(message: Message[Consumed]) -> str | None:
    data = message.data
    if isinstance(data, SettleDeadLetter):
        return data.letter_id
    return message.id if isinstance(data, MessageDeadLettered) else None


def _alert_keys(message: Message[Consumed], letters: Loaded[str, DeadLetter], measured: Measured | None) -> list[str]:
    """The keys of the message's alerts; none for an unknown letter."""
    data = message.data
    if isinstance(data, OfProduct):
        return [_OF_STOCK[type(data)](data.product_id)]
    if isinstance(data, OfWebhook):
        return [webhook_alert(data.webhook_id)]
    if isinstance(data, PayoutPaid | PayoutReturned):
        return [doubt_alert(data.payout_id), returned_alert(data.distributor_id, data.currency)]
    if isinstance(data, PayoutDoubtful | PayoutFailed):
        return [doubt_alert(data.payout_id)]
    if isinstance(data, PayoutConflicting | PayoutsReleased):
        return [conflict_alert(data.distributor_id)]
    if isinstance(data, RailPaused | RailResumed):
        return [rail_alert(data.rail)]
    if isinstance(data, RouteFailing | RouteRecovered):
        return [route_alert(data.route_id)]
    if isinstance(data, ReportVerification):
        return [breach_alert(checked.invariant) for checked in data.invariants]
    if isinstance(data, QueueMeasured):
        before = [backlog.queue for backlog in measured.backlogs] if measured else []
        return [PARKED_ALERT, *map(queue_alert, {*data.waiting, *before})]
    letter = letters.get(data.letter_id) if isinstance(data, SettleDeadLetter) else data
    if letter is None:
        return []
    of_shop = letters_of_shop(letter.queue, letter.reason, letter.sender)
    return [dead_letter_alert(letter.queue, letter.reason), *([of_shop] if of_shop else [])]
