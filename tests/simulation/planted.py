"""Bugs that the runtime does not have, put in from outside, to see that a run would notice them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch
from uuid import UUID

from contracts.commissions.earnings import earnings_key, tallies_of
from contracts.envelope import Emission, emit
from contracts.rules.view import DEFAULT_MARKET
from contracts.stock.view import ITEMS
from infra.runtime.batch import BatchLoop, Settled
from infra.runtime.fold import Work
from infra.runtime.journal import Journal
from infra.runtime.messaging import Delivery
from infra.runtime.store import Document, Transaction
from tests.simulation.run import Result, Variant, simulate
from tests.simulation.store import Key, SimulatedStore, SimulatedTransaction
from workers.commission_calculation.decide import post
from workers.commission_calculation.model import Posting
from workers.reward_checks.model import progress_key


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

    def known(self, found: Iterable[Document], keys: Set[str]) -> set[str]:
        return set()


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


def _counts(counted: Callable[[Any, Any], bool]) -> Callable[[], AbstractContextManager[Any]]:
    """Months that count some changes of commissions, and not the others."""

    def tallies(before: Any, after: Any) -> Any:
        return tallies_of(before, after) if counted(before, after) else ()

    return lambda: patch("workers.commission_calculation.model.tallies_of", tallies)


@contextmanager
def _one_month_for_all_markets() -> Iterator[None]:
    def key(distributor_id: int, placed_at: Any, currency: str, market: str) -> str:
        return earnings_key(distributor_id, placed_at, currency, DEFAULT_MARKET)

    with (
        patch("workers.commission_calculation.model.earnings_key", key),
        patch("workers.commission_calculation.repository.earnings_key", key),
    ):
        yield


@contextmanager
def _one_reward_month_for_all_markets() -> Iterator[None]:
    def key(distributor_id: int, placed_at: Any, currency: str, market: str) -> str:
        return progress_key(distributor_id, placed_at, currency, DEFAULT_MARKET)

    with (
        patch("workers.reward_checks.decide.progress_key", key),
        patch("workers.reward_checks.repository.progress_key", key),
    ):
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
    "names postings at random": Bug(planted=_postings_named_at_random),
    "names events at random": Bug(planted=_events_named_at_random),
    "does not subtract refunds from own sales": Bug(planted=_counts(lambda before, _: before is None)),
    "counts a month only under rules that ask": Bug(planted=_counts(lambda _, after: after.rule_version > 1)),
    "has one month for all markets": Bug(planted=_one_month_for_all_markets),
    "has one reward month for all markets": Bug(planted=_one_reward_month_for_all_markets),
}
