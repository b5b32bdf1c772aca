"""The demo's final count: every message that a shop published is counted, also when it was repeated."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import chain

import pytest

from contracts.wire.envelope import COMMANDS_EXCHANGE
from infra.demo import accounts
from infra.demo.accounts import Accounted, Published
from infra.demo.baskets import baskets
from infra.demo.population import Population, populate
from infra.demo.shop import envelope_of
from infra.demo.traffic import Publication, traffic
from infra.ports.messaging import REDELIVERED_HEADER, Outgoing
from tests.workflow.system import System

pytestmark = pytest.mark.slow

BASKETS = 40


@cache
def the_world() -> tuple[Population, tuple[Publication, ...]]:
    bought = list(baskets(BASKETS))
    population = populate(bought)
    return population, traffic(bought, population.distributor_of)


async def traded(publications: Sequence[Publication]) -> System:
    """The demo's set-up and these publications of its traffic, in memory."""
    system = System()
    for wave in the_world()[0].waves():
        for command in wave:
            await system.send(envelope_of(command, system.time.now()))
        await system.run_until_idle()
    for phase in sorted({publication.phase for publication in publications}):
        for publication in publications:
            if publication.phase == phase:
                await send(system, publication)
        await system.run_until_idle()
    await system.run_until_idle(with_retries=True)
    return system


async def send(system: System, publication: Publication, *, redelivered: bool = False) -> None:
    p, headers = publication, {REDELIVERED_HEADER: 1} if redelivered else {}
    await system.broker.publish([Outgoing(COMMANDS_EXCHANGE, p.routing_key, p.body, p.content_type, headers=headers)])


def events_in(publication: Publication) -> int:
    """A batch has one event for each order."""
    return max(1, len(publication.order_keys))


def published(system: System) -> Published:
    population, publications = the_world()
    return accounts.published(chain.from_iterable(population.waves()), publications, system.workers)


async def accounted(system: System) -> Accounted:
    return await accounts.accounted(system.store, system.workers, published(system))


async def test_every_published_message_is_counted_and_repeats_separately() -> None:
    population, publications = the_world()
    system = await traded(publications)

    sent = sum(map(len, population.waves())) + sum(map(events_in, publications))
    repeats = int((await system.verify()).figures["I5"]["commands_repeats"])
    assert repeats > 0
    assert published(system).total() == sent
    assert await accounted(system) == Accounted(sent, repeats)


async def test_a_redelivered_repeat_is_counted() -> None:
    """The journal treats it as a redelivery, which it does not record."""
    publications = the_world()[1]
    again = [publication for publication in publications if publication.kind == "duplicate"]
    system = await traded([publication for publication in publications if publication not in again])
    for repeat in again:
        await send(system, repeat, redelivered=True)
    await system.run_until_idle(with_retries=True)

    found = await accounted(system)
    assert found.messages == published(system).total()
    assert (await system.verify()).figures["I5"]["commands_repeats"] == 0 < found.repeats


async def test_an_unhandled_message_is_missing_from_the_count() -> None:
    publications = the_world()[1]
    lost = [publication for publication in publications if publication.body == publications[-1].body]
    system = await traded([publication for publication in publications if publication not in lost])

    missing = published(system).total() - (await accounted(system)).messages
    assert missing == sum(map(events_in, lost)) > 0
