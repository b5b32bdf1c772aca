"""Loads the alerts and dead letters of a batch and saves the changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from contracts.notifications.v1 import RouteFailing, RouteRecovered
from contracts.operations.v1 import MessageDeadLettered, SettleDeadLetter
from contracts.operations.view import ALERTS, DEAD_LETTERS, Alert, DeadLetter
from contracts.stock.v1 import StockLow, StockRecovered, StockShortageChanged
from contracts.wire.envelope import Message
from infra.ports.store import Collection, Index, Query, Transaction
from infra.runtime.repository import Codec, Found, Loaded, Repository, with_ids
from workers.alerting.model import State, dead_letter_alert, letters_of_shop, oversold_alert, route_alert, stock_alert

OfStock = StockLow | StockRecovered | StockShortageChanged
Consumed = OfStock | RouteFailing | RouteRecovered | MessageDeadLettered | SettleDeadLetter

_alerts = Codec(Alert, key="alert")
_letters = Codec(DeadLetter, key="letter_id")
to_alert = _alerts.to_entity


class AlertRepository(Repository[State, Consumed]):
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(ALERTS, "alerts by their key", (Index((("state", 1), ("changed_at", -1)), "open alerts"),)),
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
    )

    def __init__(self, alerts: Loaded[str, Alert], letters: Loaded[str, DeadLetter]) -> None:
        self._alerts = alerts
        self._letters = letters

    @classmethod
    def queries(cls, messages: Sequence[Message[Consumed]]) -> dict[str, Query]:
        return {"letters": with_ids(DEAD_LETTERS, filter(None, map(_letter_key, messages)))}

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Consumed]], found: Found) -> Self:
        """A command names only its letter, so the letters are loaded first; they name their alerts."""
        letters = _letters.loaded(found["letters"])
        keys = {key for message in messages for key in _alert_keys(message, letters)}
        return cls(Loaded(await _alerts.fetch(tx, ALERTS, keys)), letters)

    def state_for(self, message: Message[Consumed]) -> State:
        alerts, letter = _alert_keys(message, self._letters), _letter_key(message)
        return State(self._alerts.pick(alerts), self._letters.pick([letter] if letter else []))

    def keep(self, state: State) -> None:
        self._alerts.keep(state.alerts)
        self._letters.keep(state.letters)

    async def save(self, tx: Transaction) -> None:
        await _alerts.save(tx, ALERTS, self._alerts)
        await _letters.save(tx, DEAD_LETTERS, self._letters)


def _letter_key(message: Message[Consumed]) -> str | None:
    data = message.data
    if isinstance(data, SettleDeadLetter):
        return data.letter_id
    return message.id if isinstance(data, MessageDeadLettered) else None


def _alert_keys(message: Message[Consumed], letters: Loaded[str, DeadLetter]) -> list[str]:
    """The keys of the message's alerts; none for an unknown letter."""
    data = message.data
    if isinstance(data, RouteFailing | RouteRecovered):
        return [route_alert(data.route_id)]
    if isinstance(data, OfStock):
        return [(oversold_alert if isinstance(data, StockShortageChanged) else stock_alert)(data.product_id)]
    letter = letters.get(data.letter_id) if isinstance(data, SettleDeadLetter) else data
    if letter is None:
        return []
    of_shop = letters_of_shop(letter.queue, letter.reason, letter.sender)
    return [dead_letter_alert(letter.queue, letter.reason), *([of_shop] if of_shop else [])]
