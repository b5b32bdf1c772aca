"""Processes that end during a batch, by SIGTERM or SIGKILL: the same real baskets lead to the same state."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing.process import BaseProcess
from typing import Any

import pytest

from contracts.commissions.view import AccountKey, balance_of_stripe
from contracts.rules.terms import digest_of, terms_of
from infra.demo.baskets import baskets
from infra.demo.population import Population, populate
from infra.demo.rule_set import RulesInForce
from infra.demo.shop import Shop
from infra.demo.traffic import ORDERS, PAYMENTS, Publication, traffic
from infra.operators.verification import verify
from infra.ports.store import Document
from infra.ports.time import RealTime
from infra.processes.fleet import Fleet, Member
from infra.runtime import roster
from tests.connected.running import BUSY, Site, groups, journal_of, until
from tests.workflow.system import System

BASKETS = 150
BATCHES_AND_RETRIES: Mapping[str, Any] = {
    "batch_events_max": 5,
    "prefetch_commands": 10,
    "prefetch_events": 4,
    "retry_delays_s": (1, 2, *[2] * 12),
}
"""Many commits for each worker, so that an end falls between two; and more retries than a slow machine can need, since
a refused early payment is another outcome."""

COMPARED: Mapping[str, tuple[str, ...]] = {
    "order_intake.orders": (
        "status",
        "reason",
        "reserved",
        "lines",
        "upline",
        "rule_version",
        "currency",
        "distributor_id",
        "fingerprint",
    ),
    "stock_reservation.items": ("lots", "received", "shipped", "adjusted", "low", "crossings"),
    "stock_reservation.reservations": ("status", "picks"),
    "stock_reservation.bookings": ("product_id", "batch_id", "delta"),
    "commission_calculation.commissions": ("entries", "unpaid", "pool_minor", "status", "rule_version"),
    "reward_checks.progress": ("sales_minor", "granted", "rule_version"),
}
"""Fields that do not depend on when something happened. An order's version does: it counts an early payment's note."""

State = dict[str, dict[Any, Document]]
Handled = Counter[tuple[str, str]]
"""Messages by type and subject. Their ids depend on the time and so differ in each run."""

Disturb = Callable[[Site, Fleet], Awaitable[None]]


@cache
def the_world(orders: int) -> tuple[Population, tuple[Publication, ...]]:
    """Real baskets with plenty of stock, so that the outcome of an order does not depend on the sequence."""
    bought = list(baskets(orders))
    population = populate(bought, short_share=0)
    return replace(population, rules=_without_period_caps(population.rules)), traffic(bought, population.distributor_of)


def _without_period_caps(rules: RulesInForce) -> RulesInForce:
    """The rules without the caps of a day or a month: earlier orders take more of them."""
    proposed = rules.proposal.rules
    plans = tuple(
        plan.model_copy(update={"caps": tuple(cap for cap in plan.caps if cap.per in ("entry", "order"))})
        for plan in proposed.plans
    )
    document = proposed.model_copy(update={"plans": plans})
    return replace(
        rules,
        proposal=rules.proposal.model_copy(update={"rules": document}),
        approval=rules.approval.model_copy(update={"digest": digest_of(terms_of(document))}),
    )


@dataclass
class Undisturbed:
    """The final state without disturbance, and what the intake had handled at the end of each phase."""

    state: State
    handled: Mapping[int, Handled]


async def trade(site: Site, undisturbed: Undisturbed, disturbances: Mapping[int, Disturb]) -> State:
    """Publish the messages of real shops, phase by phase; some phases are disturbed while they are published."""
    population, publications = the_world(BASKETS)
    async with site.processes(groups(), **BATCHES_AND_RETRIES) as fleet:
        async with Shop(site.settings.rabbitmq_url) as shop:
            for wave in population.waves():
                await shop.command(wave, lambda _: None)
                await site.quiet()
            for phase in sorted({publication.phase for publication in publications}):
                messages = [publication for publication in publications if publication.phase == phase]
                publishing = asyncio.create_task(shop.publish(messages, lambda _: None))
                if phase in disturbances:
                    await disturbances[phase](site, fleet)
                await publishing
                # No queue shows what a dying worker held, or what waits for its lock.
                await until(handled(site, undisturbed.handled[phase]), what="the phase is over", every_s=0.2)
                await site.quiet(with_retries=False)
        await site.quiet()
        await until(nothing_is_under_way(site), what="all that was emitted is handled", every_s=0.5)
    await site.assert_sound()
    return comparable(await site.business_state())


def handled(site: Site, messages: Handled) -> Callable[[], Awaitable[bool]]:
    """Whether the intake has handled all of these messages."""

    async def look() -> bool:
        return messages <= handled_in(await site.documents(journal_of("order_intake")))

    return look


def nothing_is_under_way(site: Site) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return not (await verify(site.store, site.workers, RealTime())).breach_count

    return look


def handled_in(records: Iterable[Document]) -> Handled:
    items = (item for record in records for item in (*record.get("handled", ()), *record.get("dead", ())))
    return Counter((item["type"], item["about"]) for item in items)


def comparable(state: State) -> dict[str, Any]:
    """The fields that are the same in every run."""
    picked: dict[str, Any] = {
        name: {
            key: {field: document[field] for field in fields if field in document}
            for key, document in state[name].items()
        }
        for name, fields in COMPARED.items()
    }
    balances: Counter[AccountKey] = Counter()
    for document in state["commission_calculation.balances"].values():
        # The stripe of an amount depends on the process that added it.
        balances.update(balance_of_stripe(document))
    return {**picked, "balances": dict(balances)}


def members(fleet: Fleet, *names: str) -> list[Member]:
    return [member for member in fleet.members if set(names) & set(member.names)]


async def during_work(site: Site) -> None:
    """Return when the intake has committed something more, long before all is done."""
    before = await site.store.count(journal_of("order_intake"))

    async def has_begun() -> bool:
        return await site.store.count(journal_of("order_intake")) > before + 1

    await until(has_begun, what="the intake has begun", every_s=0.005)


async def end(site: Site, fleet: Fleet, *names: str, with_sigterm: bool) -> None:
    """End the processes of these workers at once, and check that they still had work."""
    await during_work(site)
    processes = [member.process for member in members(fleet, *names) if member.process is not None]
    assert len(processes) == len(members(fleet, *names))
    for process in processes:
        process.terminate() if with_sigterm else process.kill()
    await until(_all_ended(processes), what="the processes have ended", within_s=30)
    assert {process.exitcode for process in processes} == ({0} if with_sigterm else {-9})
    waiting = sum([await site.ready(f"order_intake.order.{noun}") for noun in ("place", "update-status")])
    assert waiting > 0, "nothing was left to do: this run proves nothing"


def _all_ended(processes: list[BaseProcess]) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return all(process.exitcode is not None for process in processes)

    return look


async def terminate_all(site: Site, fleet: Fleet) -> None:
    await end(site, fleet, *roster.names(), with_sigterm=True)


async def kill_the_busy_workers(site: Site, fleet: Fleet) -> None:
    await end(site, fleet, *BUSY, with_sigterm=False)


@pytest.fixture(scope="module")
async def undisturbed() -> Undisturbed:
    """The same messages through the same loops, in memory, where no process ends."""
    # Undated orders count in the month in which they arrive.
    system = System(start=RealTime().now())
    handled: dict[int, Handled] = {}

    def after_phase(phase: int) -> None:
        handled[phase] = handled_in(system.documents(journal_of("order_intake")))

    await system.trade(*the_world(BASKETS), after_phase=after_phase)
    await system.assert_sound()
    return Undisturbed(comparable(system.business_state()), handled)


async def test_processes_that_end_during_work_change_nothing(site: Site, undisturbed: Undisturbed) -> None:
    state = await trade(site, undisturbed, {ORDERS: terminate_all, PAYMENTS: kill_the_busy_workers})

    assert len(state["order_intake.orders"]) > BASKETS * 0.9
    assert state == undisturbed.state
    assert await site.documents("alerting.dead_letters", {"reason": "handler_error"}) == []
