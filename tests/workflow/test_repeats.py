"""Exactly-once effects: batches of any size, repeats, and a crash after a commit end in the same state."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import pytest
import structlog

from infra.auditing.audit import Report
from infra.demo.baskets import baskets
from infra.demo.population import Population, populate
from infra.demo.traffic import Publication, traffic
from infra.ports.messaging import Outgoing
from infra.runtime import fold
from infra.settings import Settings
from tests.builders import NOW, place, update
from tests.workflow.conftest import set_up
from tests.workflow.system import System

pytestmark = pytest.mark.slow

BASKETS = 40
ONE_BY_ONE = Settings(batch_events_max=1)


class Crashed(Exception):
    """The process ends here."""


class CrashingPublisher:
    """Before one of its publishes, counted from 0, the process dies."""

    def __init__(self, system: System, *, dies_before: int) -> None:
        self._broker = system.broker
        self.left = dies_before

    @property
    def has_crashed(self) -> bool:
        return self.left < 0

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        if messages:
            self.left -= 1
            if self.left == -1:
                raise Crashed
        await self._broker.publish(messages)


@cache
def the_world() -> tuple[Population, tuple[Publication, ...]]:
    bought = list(baskets(BASKETS))
    population = populate(bought)
    return population, traffic(bought, population.distributor_of)


async def trade(settings: Settings, *, copies: int = 1) -> System:
    """Run real baskets in memory, including bad and repeated messages."""
    system = System(settings=settings)
    await system.trade(*the_world(), copies=copies)
    return system


def batch_sizes(system: System, journal: str) -> set[int]:
    return {len(record["handled"]) for record in system.documents(journal) if "handled" in record}


@pytest.fixture(scope="module")
async def undisturbed() -> System:
    return await trade(Settings())


async def test_the_reference_run_covers_enough(undisturbed: System) -> None:
    report = await undisturbed.assert_sound()
    publications = the_world()[1]
    taken = {key for publication in publications if publication.answer == "taken" for key in publication.order_keys}
    assert report.figures["I4"]["orders"] == len(taken) > 30
    assert int(report.figures["I2"]["entries"]) > 300
    assert int(report.figures["I5"]["commands_repeats"]) > 0
    assert report.figures["I5"]["dead_letters_waiting"] == 3
    assert max(batch_sizes(undisturbed, "journal.order_intake")) > 20


async def test_batches_of_one_end_in_the_same_state_as_batches_of_many(undisturbed: System) -> None:
    one_by_one = await trade(ONE_BY_ONE)

    assert batch_sizes(one_by_one, "journal.stock_reservation") == {1}
    assert one_by_one.business_state() == undisturbed.business_state()
    await one_by_one.assert_sound()


async def test_every_message_sent_twice_counts_once(undisturbed: System) -> None:
    twice = await trade(Settings(), copies=2)

    assert twice.business_state() == undisturbed.business_state()
    report = await twice.assert_sound()
    once = await undisturbed.verify()
    assert report.figures["I5"]["orders_accepted"] == once.figures["I5"]["orders_accepted"]
    assert _commands(report) == 2 * _commands(once)


def _commands(report: Report) -> int:
    return sum(int(report.figures["I5"][f"commands_{kind}"]) for kind in ("handled", "repeats", "dead"))


async def test_events_are_published_after_a_crash_between_commit_and_publish() -> None:
    """Each publish of an order in turn is never made: redelivery and journal replace it."""
    undisturbed = await _order_life_with(CrashingPublisher(system := await set_up(System()), dies_before=99), system)
    crashes = 0
    while True:
        system = await set_up(System())
        publisher = CrashingPublisher(system, dies_before=crashes)
        assert await _order_life_with(publisher, system) == undisturbed
        await system.assert_sound()
        if not publisher.has_crashed:
            break
        crashes += 1
    assert crashes >= 6


async def _order_life_with(publisher: CrashingPublisher, system: System) -> object:
    """Place, pay and cancel an order; after a crash, unacknowledged messages are redelivered."""
    system.loops = system.loops_with(publisher)
    for payload in (place(), update("paid"), update("cancelled")):
        await system.publish(payload)
        try:
            await system.run_until_idle()
        except Crashed:
            system.broker.redeliver()
            await system.run_until_idle()
    assert system.time.now() == NOW
    return system.business_state()


async def test_a_batch_that_emits_too_much_is_committed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = await trade(Settings())
    monkeypatch.setattr(fold, "EMITTED_BYTES_MAX", 4_000)
    with structlog.testing.capture_logs() as logged:
        parts = await trade(Settings())

    assert "batch_halved" in {entry["event"] for entry in logged}
    assert parts.business_state() == whole.business_state()
    await parts.assert_sound()
