"""One run: a seed, its traffic and faults, then a time without faults until all is idle, and the final checks."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache, partial
from typing import Any

from contracts.orders.v2 import PlaceOrder
from contracts.wire.envelope import Message
from infra.ports.store import JOURNALS
from infra.ports.topology import Topology
from infra.processes import clock
from infra.runtime import roster
from infra.runtime.batch import BatchLoop
from infra.runtime.collections import kept_for
from infra.runtime.performer import Performer
from infra.runtime.topology import topology_of
from infra.runtime.worker import Worker
from infra.settings import Settings
from tests.simulation.bank import SimulatedBank
from tests.simulation.broker import SimulatedBroker, SimulatedInbox
from tests.simulation.chains import Chain
from tests.simulation.faults import Faults, Plan, plan
from tests.simulation.history import History, Log
from tests.simulation.invariants import breaches
from tests.simulation.outside import LOOKS_EVERY_MS, Requests, SimulatedOutside, called_once, outcomes_in
from tests.simulation.processes import ClockProcess, Killed, Machine, Process, World, process_faults, replicas
from tests.simulation.scenario import generate_traffic
from tests.simulation.scheduler import NeverIdle, Scheduler
from tests.simulation.sealed import sealed
from tests.simulation.store import SimulatedStore
from tests.simulation.traffic import Arrival, Traffic
from tests.simulation.world import OURS_WRONG_MAX, POISON, START, STUMBLING, TRAFFIC_S

SETTINGS = Settings.model_construct(clock_interval_s=600)
"""As in production, whatever this machine's environment; only the clock ticks less often, for speed."""

TROUBLE_S = (30, 1500)
CLOCKS_END_S = 2400
"""Long enough for every retry and every payment deadline."""
TICKS_AFTER_S = 1200
"""The clocks tick at least twice once there are no faults: what arrived late is due at one of these ticks."""

LAST_TICKS_H = range(3, 8)
"""Then whatever the jumps of clocks have put off is due."""

_JUMP_MS = OURS_WRONG_MAX // timedelta(milliseconds=1)
_OUTAGE_MS_MAX = 40_000
BREACHES_KEPT_MAX = 20
_NOTIFYING = f"{JOURNALS}notification_delivery"
_NOTIFICATIONS_MAX = 6


@dataclass(frozen=True, slots=True)
class Variant:
    """The parts that a planted bug replaces; with a `plan`, the faults are not the seed's."""

    loop: type[BatchLoop] = BatchLoop
    performer: type[Performer] = Performer
    store: type[SimulatedStore] = SimulatedStore
    inbox: type[SimulatedInbox] = SimulatedInbox
    plan: Plan | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """`breaches` are sentences; none means that all invariants held. `faults` counts the injected faults."""

    seed: int
    breaches: tuple[str, ...]
    steps: int
    faults: int
    orders: int
    history: History

    @property
    def replay(self) -> str:
        return f"python -m tests.simulation --seed {self.seed} --verbose"


@cache
def the_workers() -> tuple[Worker, ...]:
    """All workers, with an intake that fails on two special orders."""
    return tuple(_with_weakness(worker) if worker.name == "order_intake" else worker for worker in roster.load_all())


def _with_weakness(intake: Worker) -> Worker:
    def weak(rule: Any) -> Any:
        def decide(state: Any, message: Message[Any]) -> Any:
            if message.data.order_id == POISON:
                raise Killed
            if message.data.order_id == STUMBLING:
                raise ZeroDivisionError("a bug in the rule")
            return rule(state, message)

        return decide

    handlers = tuple(
        replace(handler, decide=weak(handler.decide)) if handler.payloads[0] is PlaceOrder else handler
        for handler in intake.handlers
    )
    return replace(intake, handlers=handlers)


@cache
def the_topology() -> Topology:
    return topology_of(the_workers(), SETTINGS)


def _is_ours(error: str) -> bool:
    """A batch may be halved for an injected save error, or for a write that a killed process's transaction blocks."""
    return error.startswith(("SaveBroken", "StoreConflict"))


def simulate(seed: int, variant: Variant | None = None, *, thrifty: bool = True) -> Result:
    """Run the whole system as the seed decides."""
    variant = variant or Variant()
    rng = random.Random(seed)
    faults = Faults(rng, variant.plan or plan(rng))
    history = History()
    scheduler = Scheduler(rng, hurry=faults.plan.hurry)
    log = Log(history, scheduler)
    workers = the_workers()
    owned = [collection for worker in workers for collection in worker.repository.collections]
    kept = [collection for worker in workers for collection in kept_for(worker, SETTINGS)]
    store = variant.store([*owned, *kept], scheduler, faults, history)
    broker = SimulatedBroker(the_topology(), scheduler, faults, history)
    routed = the_topology().routed
    outside = SimulatedOutside(scheduler, random.Random(f"outside/{seed}"), history)
    world = World(
        scheduler,
        faults,
        store,
        broker,
        SETTINGS,
        routed,
        START,
        outside,
        SimulatedBank(scheduler, random.Random(f"bank/{seed}"), history, lambda report: None),
        variant.loop,
        variant.performer,
        variant.inbox,
    )
    traffic = generate_traffic(rng, workers)
    found: list[str] = []

    def process_number() -> int:
        return scheduler.current.number if isinstance(scheduler.current, Process) else 0

    with sealed(seed, log=log, process_number=process_number, thrifty=thrifty):
        try:
            _live(world, traffic)
        except NeverIdle as error:
            found.append(str(error))
    found += world.escaped
    found += [f"a batch was halved for {error}" for error in log.halvings if not _is_ours(error)]
    if not found:
        found += breaches(store, broker, outside, traffic)
        found += called_once(outside, store.tables[_NOTIFYING])
    orders = len(store.tables["order_intake.orders"])
    return Result(seed, tuple(found[:BREACHES_KEPT_MAX]), scheduler.steps, faults.suffered, orders, history)


def _live(world: World, traffic: Traffic) -> None:
    scheduler, faults = world.scheduler, world.faults
    machines = [Machine(), Machine()]
    processes = replicas(world, the_workers(), machines)
    clocks = [ClockProcess(world, number, machine) for number, machine in enumerate(machines, start=1)]
    for process in processes:
        process.start()
    for each in clocks:
        each.start()
    for item in traffic.arrivals:
        scheduler.at(item.at_ms, partial(_on_message, world, item))
    for chain in traffic.chains:
        scheduler.at(int(world.faults.rng.random() * 1000), partial(_send_next, world, chain, 0))
    requests = Requests(traffic.workers, traffic.keys)
    for number in range(world.outside.rng.randint(0, _NOTIFICATIONS_MAX)):
        scheduler.at(int(world.outside.rng.random() * TRAFFIC_S * 1000), partial(_request, world, requests, number))
    _schedule_trouble(world, machines)
    scheduler.before_step = process_faults(world)
    scheduler.run(until_ms=int(1000 * (TROUBLE_S[0] + faults.rng.random() ** 2 * (TROUBLE_S[1] - TROUBLE_S[0]))))
    world.record("", "PEACE")
    faults.heal()
    world.outside.is_fine = True
    world.broker.recover()
    scheduler.hurry = 0.0
    scheduler.before_step = lambda _: False
    scheduler.run(until_ms=max(CLOCKS_END_S, scheduler.now_ms // 1000 + TICKS_AFTER_S) * 1000)
    for each in clocks:
        each.end()
    for hour in LAST_TICKS_H:
        scheduler.at(hour * 3_600_000, partial(_tick, world, hour))
    scheduler.run()
    for process in processes:
        if process.readiness.reasons:
            world.escaped.append(f"{process.name} is not ready: {process.readiness.reasons}")


def _tick(world: World, hour: int) -> None:
    slot = int((START + timedelta(hours=hour)).timestamp()) // SETTINGS.clock_interval_s
    world.broker.take(clock.tick(slot, SETTINGS.clock_interval_s))


def _on_message(world: World, item: Arrival) -> None:
    world.record("outside", "sends", f"{item.queue}: {item.outgoing.body[:200].decode(errors='replace')}")
    world.broker.take(item.outgoing)


def _send_next(world: World, chain: Chain, number: int) -> None:
    """Send the next command of a chain once the broker has no message of the one before."""
    if not world.broker.has(chain.queue):
        world.record("outside", "commands", f"{chain.queue}: {chain.bodies[number].decode()}")
        world.broker.put(chain.queue, chain.message_type, chain.bodies[number])
        number += 1
    if number < len(chain.bodies):
        world.scheduler.after(200, partial(_send_next, world, chain, number))


def _request(world: World, requests: Requests, number: int) -> None:
    """Ask for a notification, and look again until an attempt has delivered it."""
    outgoing = requests.next_of(number, outcomes_in(world.store.tables[_NOTIFYING]))
    if outgoing is not None:
        world.record("outside", "asks", outgoing.body.decode())
        world.broker.take(outgoing)
    if world.scheduler.now_ms < TROUBLE_S[1] * 1000:
        world.scheduler.after(LOOKS_EVERY_MS, partial(_request, world, requests, number))


def _schedule_trouble(world: World, machines: list[Machine]) -> None:
    """Outages of the servers and jumps of the clocks, at random moments."""
    scheduler, faults, rng = world.scheduler, world.faults, world.faults.rng

    def store_away(away: bool) -> None:
        faults.store_away = away
        world.record("", "STORE AWAY" if away else "STORE BACK")

    def broker_away() -> None:
        world.record("", "BROKER AWAY")
        world.broker.fail()

    def broker_back() -> None:
        world.record("", "BROKER BACK")
        world.broker.recover()

    if rng.random() < faults.plan.outages:
        begin_ms = int(rng.random() * TRAFFIC_S * 1000)
        scheduler.at(begin_ms, lambda: store_away(True))
        scheduler.at(begin_ms + int(rng.random() * _OUTAGE_MS_MAX), lambda: store_away(False))
    if rng.random() < faults.plan.outages:
        begin_ms = int(rng.random() * TRAFFIC_S * 1000)
        scheduler.at(begin_ms, broker_away)
        scheduler.at(begin_ms + int(rng.random() * _OUTAGE_MS_MAX), broker_back)
    for number, machine in enumerate(machines, start=1):
        if rng.random() < faults.plan.jumps:
            by_ms = int((2 * rng.random() - 1) * _JUMP_MS)
            scheduler.at(int(rng.random() * 900_000), partial(_jump, world, machine, number, by_ms))


def _jump(world: World, machine: Machine, number: int, by_ms: int) -> None:
    machine.ahead_ms += by_ms
    world.record(f"machine-{number}", "CLOCK SET", f"by {by_ms / 1000:+.0f} s")
