"""The demo: real servers, workers and baskets, published as shops would, with every figure checked."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain, groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any

from contracts.orders import view as orders_view
from contracts.stock.view import ITEMS
from contracts.wire.envelope import Payload
from infra.adapters.mongo import MongoStore
from infra.adapters.rabbitmq_admin import BrokerAdmin
from infra.auditing.audit import Report
from infra.demo import accounts, payouts, settlement
from infra.demo.accounts import Accounted, Published
from infra.demo.bank import Bank
from infra.demo.baskets import baskets
from infra.demo.mail import ADMINISTRATORS, MailBox, Mailed
from infra.demo.population import Population, populate
from infra.demo.quiet import wait_until_quiet
from infra.demo.shop import Shop
from infra.demo.traffic import ORDERS, REFUNDS, Expectation, Publication, expect, traffic
from infra.operators.message_audit import audit_messages
from infra.operators.shop_logins import ShopLogins, shop_address
from infra.operators.verification import verify_live
from infra.ports.time import RealTime
from infra.ports.topology import Topology
from infra.processes import forking, process
from infra.processes.fleet import Fleet
from infra.runtime import roster
from infra.runtime.topology import topology_of
from infra.runtime.worker import Worker
from infra.settings import Settings

_PHASES = ("orders", "payments", "shipments", "completions", "refunds")
_QUIET_TIMEOUT_S = 240.0
_ACCOUNT_TIMEOUT_S = 60.0
_TEND_EVERY_S = 0.5

Progress = Callable[[str, int, int], None]
"""Called with the phase, how much of it is done, and its total (0: not known)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of the demo. `order_phase_s` is from the first published order until all of them were decided."""

    expectation: Expectation
    published_events: int
    accounted: Accounted
    order_phase_s: float
    seconds: float
    stock_before: dict[str, int]
    mailed: Mailed
    report: Report
    sample_order: str


@dataclass(slots=True)
class Demo:
    """`at_work` runs the workers, each in a separate process, and the clock, until the demo ends."""

    settings: Settings
    orders: int
    at_work: AbstractAsyncContextManager[None]
    mail_box: MailBox
    progress: Progress
    bank: Bank | None = None

    async def run(self) -> Outcome:
        started = time.monotonic()
        forking.load_workers()
        self.progress("reading baskets", 0, 0)
        bought = list(baskets(self.orders))
        population = populate(bought)
        publications = traffic(bought, population.distributor_of)
        workers = roster.load_all()
        published = accounts.published(
            (*chain.from_iterable(population.waves()), ADMINISTRATORS), publications, workers
        )
        topology = topology_of(workers, self.settings)
        self.progress("declaring queues, collections and indexes", 0, 0)
        await process.prepare(self.settings)
        self.progress("starting the workers", 0, 0)
        async with self.at_work, _connected(self.settings) as store:
            world = World(self.settings, store, topology, workers, self.progress)
            async with Shop(self.settings.rabbitmq_url) as shop:
                await shop.command((ADMINISTRATORS,), on_progress=lambda _: None)
                await world.load_reference_data(shop, population)
                before = await world.stock()
                async with self._tenants(store, publications) as tenants:
                    order_phase_s = await world.trade(shop, publications, tenants)
                await world.close_month(shop)
                if self.bank is not None:
                    await world.pay_out(shop, self.bank)
            published.update(accounts.published(world.closes, (), workers))
            accounted = await world.until_accounted(published)
            self.progress("waiting for the e-mails to administrators", 0, 0)
            mailed = await self.mail_box.mailed(store)
            self.progress("verifying", 0, 0)
            report = await verify_live(store, workers, RealTime())
            sample = await world.sample_order()
        return Outcome(
            expectation=expect(publications),
            published_events=published.total(),
            accounted=accounted,
            order_phase_s=order_phase_s,
            seconds=time.monotonic() - started,
            stock_before=before,
            mailed=mailed,
            report=report,
            sample_order=sample,
        )

    @asynccontextmanager
    async def _tenants(self, store: MongoStore, publications: Sequence[Publication]) -> AsyncIterator[dict[str, Shop]]:
        """The busiest shop, by its id, with a login of its own; none if logins cannot be made at these servers."""
        if self.settings.rabbitmq_management_url is None:
            yield {}
            return
        [(shop_id, _)] = Counter(filter(None, (each.shop_id for each in publications))).most_common(1)
        secret = secrets.token_urlsafe(24)
        await ShopLogins(BrokerAdmin(self.settings.rabbitmq_management_url), store, RealTime()).save(shop_id, secret)
        async with Shop(shop_address(self.settings.rabbitmq_url, shop_id, secret), shop_id) as tenant:
            yield {shop_id: tenant}


@asynccontextmanager
async def fleet_at_work(environment: Mapping[str, str], logs: Path) -> AsyncIterator[None]:
    """The workers as children of this process, which end with it; `logs` is an existing folder."""
    fleet = Fleet([[name] for name in (*roster.names(), roster.CLOCK)], environment, logs=logs)
    try:
        fleet.start()
        async with asyncio.TaskGroup() as group:
            tending = group.create_task(_tend(fleet))
            yield
            tending.cancel()
    except BaseExceptionGroup as errors:
        # A group of one task has one error, of that task or of the demo.
        raise errors.exceptions[0] from None
    finally:
        # A worker may be sending its last e-mail to the mail box of this process.
        await asyncio.to_thread(fleet.stop)


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[MongoStore]:
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    try:
        yield store
    finally:
        store.close()


async def _tend(fleet: Fleet) -> None:
    """Restart workers that die, as an orchestrator would."""
    while True:
        fleet.tend()
        await asyncio.sleep(_TEND_EVERY_S)


@dataclass(slots=True)
class World:
    """The running system, seen from outside."""

    settings: Settings
    store: MongoStore
    topology: Topology
    workers: Sequence[Worker]
    progress: Progress
    closes: list[Payload] = field(default_factory=list)
    """The closes by hand, and the commands of payouts, so far."""

    async def load_reference_data(self, shop: Shop, population: Population) -> None:
        """Send the commands of the reference data, and wait after each wave."""
        waves = population.waves()
        total = sum(map(len, waves))
        done = 0

        def on_progress(count: int) -> None:
            nonlocal done
            done += count
            self.progress("loading network, catalogue, stock and rules", done, total)

        for wave in waves:
            await shop.command(wave, on_progress)
            await self._quiet("loading network, catalogue, stock and rules", with_retries=True)

    async def trade(
        self, shop: Shop, publications: Sequence[Publication], tenants: Mapping[str, Shop] = MappingProxyType({})
    ) -> float:
        """Publish the orders and then, phase by phase, their later messages; return how long the orders took. What is
        of one of the `tenants` goes out by that shop's own login.
        """
        order_phase_s = 0.0
        for phase, group in groupby(publications, key=lambda publication: publication.phase):
            if phase == REFUNDS:
                await self.close_month(shop)
            messages = list(group)
            done = 0
            name = f"publishing {_PHASES[phase]}"

            def on_progress(count: int, name: str = name, total: int = len(messages)) -> None:
                nonlocal done
                done += count
                self.progress(name, done, total)

            started = time.monotonic()
            by_sender: dict[Shop, list[Publication]] = defaultdict(list)
            for message in messages:
                by_sender[tenants.get(message.shop_id or "", shop)].append(message)
            await asyncio.gather(*[sender.publish(theirs, on_progress) for sender, theirs in by_sender.items()])
            await self._quiet(f"waiting until all {_PHASES[phase]} are handled", with_retries=False)
            if phase == ORDERS:
                order_phase_s = time.monotonic() - started
            # Payments that precede their order are retried after 5 s, and a shipment before its payment after a minute.
            await self._quiet("waiting for retries of early messages", with_retries=True)
        return order_phase_s

    async def close_month(self, shop: Shop) -> None:
        """Release what is due, and close by hand what every distributor has until now."""
        await settlement.release_due(self.settings.rabbitmq_url, self.store)
        await self._quiet("releasing commissions", with_retries=False)
        commands = await settlement.closes(self.store)
        self.closes += commands
        await shop.command(commands, lambda _: None)
        await self._quiet("closing the month", with_retries=False)

    async def pay_out(self, shop: Shop, bank: Bank) -> None:
        """Pay three distributors over a bank that returns one of the payments."""
        self.progress("paying out, and reading the bank's statements", 0, 0)
        payer = payouts.Payer(self.settings.rabbitmq_url, self.store, shop, bank)
        await payer.play()
        self.closes += payer.sent
        await self._quiet("paying out, and reading the bank's statements", with_retries=False)

    async def until_accounted(self, published: Published) -> Accounted:
        """Wait for batches in progress, which no queue shows, and return what is accounted for in the end."""
        deadline = time.monotonic() + _ACCOUNT_TIMEOUT_S
        while True:
            report = Report(RealTime().now())
            await audit_messages(self.store, report, self.workers)
            accounted = await accounts.accounted(self.store, self.workers, published)
            is_complete = not report.breach_count and accounted.messages == published.total()
            if is_complete or time.monotonic() >= deadline:
                return accounted
            await asyncio.sleep(1)

    async def stock(self) -> dict[str, int]:
        """Units on hand and reserved, and the number of products."""
        totals = {"products": 0, "on_hand": 0, "reserved": 0}
        async for item in self.store.stream(ITEMS, {}, fields=("lots",)):
            totals["products"] += 1
            totals["on_hand"] += sum(lot["on_hand"] for lot in item["lots"])
            totals["reserved"] += sum(lot["reserved"] for lot in item["lots"])
        return totals

    async def sample_order(self) -> str:
        """A completed order with several lines that paid three levels, to explain; otherwise any order."""
        where: dict[str, Any] = {"status": "completed", "upline.level": 3, "lines.line": 2}
        found = await self.store.find(orders_view.ORDERS, where, sort=(("_id", 1),), limit=1)
        found = found or await self.store.find(orders_view.ORDERS, {}, limit=1)
        return str(found[0]["_id"]) if found else ""

    async def _quiet(self, phase: str, *, with_retries: bool) -> None:
        await wait_until_quiet(
            self.settings.rabbitmq_url,
            self.store,
            self.topology,
            self.workers,
            with_retries=with_retries,
            timeout_s=_QUIET_TIMEOUT_S,
            on_look=lambda left: self.progress(phase, 0, left),
        )
