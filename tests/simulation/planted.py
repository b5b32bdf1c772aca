"""Bugs that the runtime does not have, injected to prove that a run finds them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from unittest.mock import patch
from uuid import UUID

from contracts.commissions.earnings import earnings_key, tallies_of
from contracts.commissions.view import Entry, LineRefund, Posting
from contracts.orders.view import GivenBack, Line
from contracts.plans.reversal import left_of
from contracts.rules.view import DEFAULT_MARKET
from contracts.stock.view import ITEMS, StockItem
from contracts.webhooks.v1 import ShopEventCopied
from contracts.wire.envelope import SHOP_EVENTS_EXCHANGE, Emission, Message, emit
from infra.ports.messaging import REPLY_TO_HEADER, Delivery, Outgoing, Sender
from infra.ports.store import Document, Transaction
from infra.runtime import outbox
from infra.runtime.batch import BatchLoop, Committed
from infra.runtime.decoding import Decoder, of_shop
from infra.runtime.fold import Work
from infra.runtime.journal import Journal, Known
from infra.runtime.reply import replies
from tests.simulation import planted_calls
from tests.simulation import planted_settlement as settlement
from tests.simulation.broker import SimulatedInbox
from tests.simulation.faults import INTERRUPTED
from tests.simulation.run import Result, Variant, simulate
from tests.simulation.store import Key, SimulatedStore, SimulatedTransaction
from workers.commission_calculation.decide import post
from workers.order_intake.model import Order, State, place_of
from workers.order_intake.refunds import Requested, give_back
from workers.reward_checks.model import progress_key


class AcknowledgesFirst(BatchLoop):
    """Acknowledges a batch before it is committed."""

    async def handle(self, deliveries: list[Delivery], works: list[Work]) -> None:
        await self._inbox.acknowledge(deliveries)
        await super().handle(deliveries, works)


class LosesCopies(BatchLoop):
    """Acknowledges copies for webhooks that come together without keeping them."""

    async def handle(self, deliveries: list[Delivery], works: list[Work]) -> None:
        if len(works) > 1 and all(work.item.type == ShopEventCopied.message_type for work in works):
            await self._inbox.acknowledge(deliveries)
        else:
            await super().handle(deliveries, works)


class PublishesFirst(BatchLoop):
    """Publishes events before they are committed."""

    async def _commit(self, tx: Transaction, works: list[Work]) -> Committed:
        committed = await super()._commit(tx, works)
        await self._when_back("RabbitMQ", lambda: self._publish(committed))
        return committed


class ForgetfulJournal(Journal):
    """Stores everything, and finds nothing."""

    def known(self, found: Iterable[Document], keys: Set[str]) -> dict[str, Known]:
        return {}


class ForgetsWhatItHandled(BatchLoop):
    """Does not look into the journal."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._journal = ForgetfulJournal(self._worker.name, self._settings.journal_retention_days)


class NeverPublishesAgain(BatchLoop):
    """Recognises repeats, but does not publish what they emitted."""

    async def _publish(self, committed: Committed) -> None:
        await super()._publish(replace(committed, repeated=[]))


class LosesUpdates(SimulatedStore):
    """Lets the last writer win for stock."""

    def blocks(self, key: Key, holder: SimulatedTransaction | None, began_after: int) -> bool:
        return key[0] != ITEMS and super().blocks(key, holder, began_after)


class LosesItsConnection(SimulatedInbox):
    """Raises for a property that it cannot decode, in the task that reads the connection: everything is requeued."""

    def _fetch(self) -> bool:
        line = self._broker.queues[self._queue]
        if not any(queued.undecoded for queued in line) or self._broker.faults.broker_away:
            return super()._fetch()
        window = list(line)
        line.clear()
        for queued in reversed(window):
            self._broker.requeue(self._queue, queued)
        return False


@contextmanager
def _content_taken_for_identity() -> Iterator[None]:
    """Equal bare bytes always have the same id."""

    def named(_: Decoder, work: Work, item: Message[Any], *given: Any) -> Work:
        return replace(work, item=item.model_copy(update={"id": item.id.partition(".")[0]}))

    with patch.object(Decoder, "_named", named):
        yield


@contextmanager
def _redeliveries_taken_for_new_commands() -> Iterator[None]:
    """The runtime does not check whether a redelivered bare body was handled before."""
    named = Decoder._named

    def named_without_recall(decoder: Decoder, *given: Any) -> Work:
        return replace(named(decoder, *given), recalled_by=None)

    with patch.object(Decoder, "_named", named_without_recall):
        yield


@contextmanager
def _redeliveries_never_superseded() -> Iterator[None]:
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


@contextmanager
def _holds_by_the_senders_clock() -> Iterator[None]:
    def step_at(_: Order, message: Message[Any]) -> datetime:
        return message.time

    with patch("workers.order_intake.decide._step_at", step_at):
        yield


def give_the_rest_with_the_last_units(
    lines: Sequence[Line], before: Iterable[Requested], asked: Sequence[Requested], currency: str
) -> tuple[GivenBack, ...]:
    """Units without an amount return the share of all refunded units less all refunded money, and the last ones the
    remainder: so a refund depends on those before it.
    """
    give_back(lines, before, asked, currency)
    units = {line.line: line.quantity - line.refunded_quantity for line in lines}
    money = {line.line: line.net_minor - line.refunded_minor for line in lines}
    left = dict(units), dict(money)
    for each in asked:
        wanted, amount = each.quantity, each.amount_minor
        for line in (line for line in lines if line.product_id == each.product_id and each.line in (None, line.line)):
            taken = min(wanted, units[line.line])
            units[line.line] -= taken
            gone = line.net_minor * (line.quantity - units[line.line]) // line.quantity
            worth = max(gone - (line.net_minor - money[line.line]), 0) if units[line.line] else money[line.line]
            given = (worth if taken else 0) if amount is None else min(amount, money[line.line])
            money[line.line] -= given
            wanted, amount = wanted - taken, None if amount is None else amount - given
    parts = (GivenBack(n, left[0][n] - units[n], left[1][n] - money[n]) for n in units)
    return tuple(part for part in parts if part.quantity or part.amount_minor)


def leave_fixed_amounts_by_the_units_alone(
    entries: Sequence[Entry], pools_minor: Sequence[int], lines: Sequence[LineRefund], arithmetic: int
) -> tuple[int, ...]:
    """A fixed amount stays although all the money of its line is refunded, if its units are not."""
    left = left_of(entries, pools_minor, lines, arithmetic)
    units = {line.line: (line.quantity - line.refunded_quantity, line.quantity) for line in lines}
    return tuple(
        entry.amount_minor * units[entry.line][0] // units[entry.line][1] if entry.unit_minor else amount
        for entry, amount in zip(entries, left, strict=True)
    )


@contextmanager
def _refunds_that_depend_on_their_order() -> Iterator[None]:
    with patch("workers.order_intake.decide.give_back", give_the_rest_with_the_last_units):
        yield


def _counts(counted: Callable[[Any, Any], bool]) -> Callable[[], AbstractContextManager[Any]]:
    """Months count only some changes of commissions."""

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
def _fixed_amounts_that_outlive_the_money() -> Iterator[None]:
    with patch("workers.commission_calculation.decide.left_of", leave_fixed_amounts_by_the_units_alone):
        yield


@contextmanager
def _days_not_checked() -> Iterator[None]:
    """The worker reads every tick, but loads no item for it."""

    async def nothing(*_: Any) -> dict[int, StockItem]:
        return {}

    with patch("workers.stock_reservation.repository._due", nothing):
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


def _newest_of_all(state: State, product_id: int, units: int) -> tuple[list[Order], Order | None]:
    """The newest orders of a product, paid or not."""
    standing = [order for order in state.orders.values() if order.status in ("pending", "paid")]
    return [order for order in standing if order.units_of(product_id)], standing[-1] if standing else None


def _place_when_paid(order: Order) -> str | None:
    return place_of(order.received_at, order.key) if order.status == "paid" and order.received_at else None


@contextmanager
def _paid_orders_that_give_way() -> Iterator[None]:
    with (
        patch.object(Order, "place_among_unpaid", property(_place_when_paid)),
        patch.object(State, "newest_unpaid", _newest_of_all),
    ):
        yield


@contextmanager
def _shortages_not_reported() -> Iterator[None]:
    with patch.object(StockItem, "shortage", lambda item, day: 0):
        yield


@contextmanager
def _ownership_not_checked() -> Iterator[None]:
    with patch("infra.runtime.decoding.owned", lambda item, *_, **__: item):
        yield


@contextmanager
def _answers_by_name() -> Iterator[None]:
    def by_name(items: Sequence[Any], *given: Any) -> list[tuple[Any, Sender | None]]:
        names = [getattr(item.data, "shop_id", None) if isinstance(item, Message) else None for item in items]
        found = zip(names, of_shop(items, *given), strict=True)
        return [(item, replace(sender, shop=name or sender.shop) if sender else None) for name, (item, sender) in found]

    with patch("infra.runtime.decoding.of_shop", by_name):
        yield


@contextmanager
def _repeats_not_answered() -> Iterator[None]:
    async def only_new(
        tx: Transaction, journal: Journal, works: list[Work], folded: Any, known: Any, policy: Any
    ) -> list[Outgoing]:
        new = [work for work in works if work.item.key not in known]
        return await replies(tx, journal, new, folded, known, policy)

    with patch("infra.runtime.batch.replies", only_new):
        yield


@contextmanager
def _senders_forgotten() -> Iterator[None]:
    with patch("infra.runtime.outbox._answered", lambda queue, _: {REPLY_TO_HEADER: queue} if queue else {}):
        yield


@contextmanager
def _copies_for_all() -> Iterator[None]:
    def for_all(emitted: Sequence[Any], settings: Any, shops: frozenset[str]) -> list[Outgoing]:
        found = outbox.events(emitted, settings, routed=frozenset())
        return [replace(each, exchange=SHOP_EVENTS_EXCHANGE, routing_key=shop) for each in found for shop in shops]

    with patch("infra.runtime.outbox.events_for_shops", for_all):
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
    "acknowledges copies that it does not keep": Bug(Variant(loop=LosesCopies)),
    "publishes before the commit": Bug(Variant(loop=PublishesFirst)),
    "does not look into the journal": Bug(Variant(loop=ForgetsWhatItHandled)),
    "does not publish again from the journal": Bug(Variant(loop=NeverPublishesAgain)),
    "loses its connection over what it cannot decode": Bug(Variant(inbox=LosesItsConnection)),
    "loses updates of stock": Bug(Variant(store=LosesUpdates)),
    "takes content for identity": Bug(planted=_content_taken_for_identity),
    "takes a redelivered bare body for a new command": Bug(
        Variant(plan=INTERRUPTED), _redeliveries_taken_for_new_commands
    ),
    "takes a redelivered bare body for one handled long before": Bug(planted=_redeliveries_never_superseded),
    "recognises a repeat by its id alone": Bug(planted=_repeats_known_by_id_alone),
    "names postings at random": Bug(planted=_postings_named_at_random),
    "names events at random": Bug(planted=_events_named_at_random),
    "gives the rest with the last units": Bug(planted=_refunds_that_depend_on_their_order),
    "keeps fixed amounts when all the money is back": Bug(planted=_fixed_amounts_that_outlive_the_money),
    "does not check the dates of lots": Bug(planted=_days_not_checked),
    "starts holds by the sender's clock": Bug(planted=_holds_by_the_senders_clock),
    "does not subtract refunds from own sales": Bug(planted=_counts(lambda before, _: before is None)),
    "counts a month only under later rule sets": Bug(planted=_counts(lambda _, after: after.rule_version > 1)),
    "has one month for all markets": Bug(planted=_one_month_for_all_markets),
    "cancels paid orders of short products": Bug(planted=_paid_orders_that_give_way),
    "does not report shortages": Bug(planted=_shortages_not_reported),
    "takes a shop's word for whose a message is": Bug(planted=_ownership_not_checked),
    "answers the shop that a message names": Bug(planted=_answers_by_name),
    "does not answer a repeat": Bug(planted=_repeats_not_answered),
    "forgets the sender of a retry": Bug(planted=_senders_forgotten),
    "copies events to every shop": Bug(planted=_copies_for_all),
    "marks what it has not read as sent": Bug(planted=planted_calls.unread_notices_marked),
    "gives each attempt another id": Bug(planted=planted_calls.another_id_for_each_attempt),
    "never tries a notification again": Bug(planted=planted_calls.never_tried_again),
    "has one reward month for all markets": Bug(planted=_one_reward_month_for_all_markets),
    "acknowledges before an answer is committed": Bug(Variant(performer=planted_calls.AcknowledgesBeforeItsAnswer)),
    "sends without a look-up": Bug(Variant(performer=planted_calls.SendsWithoutLooking)),
    "makes a new key for each attempt": Bug(Variant(performer=planted_calls.MakesNewKeys)),
    "closes a slice without writing all its sums": Bug(planted=settlement.closes_without_the_stripes),
    "books rewards twice": Bug(planted=settlement.rewards_booked_twice),
    "makes rewards available before their sales are released": Bug(planted=settlement.rewards_without_a_hold),
    "books late movements in closed periods": Bug(planted=settlement.late_movements_in_closed_periods),
    "withholds tax of each statement alone": Bug(planted=settlement.tax_of_each_statement_alone),
}
