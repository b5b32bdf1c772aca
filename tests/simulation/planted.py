"""Bugs that the runtime does not have, put in from outside, to see that a run would notice them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch
from uuid import UUID

from contracts.envelope import Emission, Message, emit
from contracts.stock.view import ITEMS
from infra.runtime.batch import BatchLoop, Settled
from infra.runtime.fold import Work
from infra.runtime.journal import Journal, Known
from infra.runtime.messaging import Delivery
from infra.runtime.store import Document, Transaction
from tests.simulation.run import Result, Variant, simulate
from tests.simulation.store import Key, SimulatedStore, SimulatedTransaction
from workers.commission_calculation.decide import post
from workers.commission_calculation.model import Posting


class AcknowledgesFirst(BatchLoop):
    """Tells the broker to forget a batch before it is committed."""

    async def handle(self, deliveries: list[Delivery], works: list[Work]) -> None:
        await self._inbox.acknowledge(deliveries)
        await super().handle(deliveries, works)


class PublishesFirst(BatchLoop):
    """Says what happened before it is committed."""

    async def _commit(self, tx: Transaction, works: list[Work]) -> Settled:
        settled = await super()._commit(tx, works)
        await self._when_back("RabbitMQ", lambda: self._publish(settled))
        return settled


class Forgetful(Journal):
    """Keeps everything, and finds nothing."""

    def known(self, found: Iterable[Document], keys: Set[str]) -> dict[str, Known]:
        return {}


class ForgetsWhatItHandled(BatchLoop):
    """Does not look into the journal."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._journal = Forgetful(self._worker.name, self._settings.journal_retention_days)


class NeverRepeatsItself(BatchLoop):
    """Recognises what was handled before, and keeps silent about what that emitted."""

    async def _publish(self, settled: Settled) -> None:
        await super()._publish(replace(settled, repeated=[]))


class LosesUpdates(SimulatedStore):
    """Lets the last writer win where stock is concerned."""

    def bars(self, key: Key, holder: SimulatedTransaction | None, began_after: int) -> bool:
        return key[0] != ITEMS and super().bars(key, holder, began_after)


class TakesContentForIdentity(BatchLoop):
    """Gives the same bare bytes the same id whenever they come."""

    def _named(self, work: Work, item: Message[Any], delivery: Delivery, delivery_id: str) -> Work:
        return replace(work, item=item.model_copy(update={"id": item.id.partition(".")[0]}))


class TakesARedeliveryForANewWish(BatchLoop):
    """Does not look whether a redelivered bare body was handled before."""

    def _named(self, work: Work, item: Message[Any], delivery: Delivery, delivery_id: str) -> Work:
        return replace(super()._named(work, item, delivery, delivery_id), recalled_by=None)


@contextmanager
def _redeliveries_never_wish_anew() -> Iterator[None]:
    with patch("infra.runtime.recall._is_superseded", lambda *_: False):
        yield


@contextmanager
def _repeats_known_by_id_alone() -> Iterator[None]:
    with patch.object(Known, "is_other_than", lambda *_: False):
        yield


def _any_id() -> str:
    return str(UUID(int=random.getrandbits(128)))


@contextmanager
def _postings_named_at_random() -> Iterator[None]:
    def post_at_random(_: str, *given: Any) -> Posting:
        return post(_any_id(), *given)

    with patch("workers.commission_calculation.decide.post", post_at_random):
        yield


@contextmanager
def _events_named_at_random() -> Iterator[None]:
    def emit_at_random(*given: Any, **named: Any) -> Emission[Any]:
        return replace(emit(*given, **named), id=_any_id())

    with patch("infra.runtime.fold.emit", emit_at_random):
        yield


@dataclass(frozen=True, slots=True)
class Bug:
    variant: Variant = Variant()  # noqa: RUF009  (frozen)
    planted: Callable[[], AbstractContextManager[None]] = nullcontext

    def run(self, seed: int) -> Result:
        with self.planted():
            return simulate(seed, self.variant)


BUGS: dict[str, Bug] = {
    "acknowledges before the commit": Bug(Variant(loop=AcknowledgesFirst)),
    "publishes before the commit": Bug(Variant(loop=PublishesFirst)),
    "does not look into the journal": Bug(Variant(loop=ForgetsWhatItHandled)),
    "does not publish again from the journal": Bug(Variant(loop=NeverRepeatsItself)),
    "loses updates of stock": Bug(Variant(store=LosesUpdates)),
    "takes content for identity": Bug(Variant(loop=TakesContentForIdentity)),
    "takes a redelivered bare body for a new wish": Bug(Variant(loop=TakesARedeliveryForANewWish)),
    "takes a redelivered bare body for what was handled long before": Bug(planted=_redeliveries_never_wish_anew),
    "recognises a repeat by its id alone": Bug(planted=_repeats_known_by_id_alone),
    "names postings at random": Bug(planted=_postings_named_at_random),
    "names events at random": Bug(planted=_events_named_at_random),
}
