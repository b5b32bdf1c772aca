"""The demo's closing count: every message that a shop published is accounted for, whatever became of its repeats."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import chain

from contracts.wire.envelope import COMMANDS_EXCHANGE
from infra.demo import accounts
from infra.demo.accounts import Accounted, Published
from infra.demo.baskets import baskets
from infra.demo.population import Population, populate
from infra.demo.shop import envelope_of
from infra.demo.traffic import Publication, traffic
from infra.ports.messaging import REDELIVERED_HEADER, Outgoing
from tests.workflow.system import System

BASKETS = 40


@cache
def the_world() -> tuple[Population, tuple[Publication, ...]]:
    bought = list(baskets(BASKETS))
    population = populate(bought)
    return population, traffic(bought, population.distributor_of)


async def traded(publications: Sequence[Publication]) -> System:
    """The demo's world, and of its traffic these publications, in memory."""
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
    """A batch carries one for each order."""
    return max(1, len(publication.order_keys))


def published(system: System) -> Published:
    population, publications = the_world()
    return accounts.published(chain.from_iterable(population.waves()), publications, system.workers)


async def accounted(system: System) -> Accounted:
    return await accounts.accounted(system.store, system.workers, published(system))


async def test_all_that_was_published_is_accounted_for_and_repeats_are_told_apart() -> None:
    population, publications = the_world()
    system = await traded(publications)

    sent = sum(map(len, population.waves())) + sum(map(events_in, publications))
    repeats = int((await system.verify()).figures["I5"]["commands_repeats"])
    assert repeats > 0
    assert published(system).total() == sent
    assert await accounted(system) == Accounted(sent, repeats)


async def test_a_repeat_that_came_back_from_a_worker_that_died_is_accounted_for() -> None:
    """To the journal it is a redelivery like any other, of which it writes nothing down."""
    publications = the_world()[1]
    again = [publication for publication in publications if publication.kind == "duplicate"]
    system = await traded([publication for publication in publications if publication not in again])
    for repeat in again:
        await send(system, repeat, redelivered=True)
    await system.run_until_idle(with_retries=True)

    found = await accounted(system)
    assert found.messages == published(system).total()
    assert (await system.verify()).figures["I5"]["commands_repeats"] == 0 < found.repeats


async def test_a_message_that_nobody_has_handled_is_missed() -> None:
    publications = the_world()[1]
    lost = [publication for publication in publications if publication.body == publications[-1].body]
    system = await traded([publication for publication in publications if publication not in lost])

    missing = published(system).total() - (await accounted(system)).messages
    assert missing == sum(map(events_in, lost)) > 0
