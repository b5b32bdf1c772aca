"""`python -m tests.simulation.payouts`: settlement, payouts and their performer against a bank with books of its own.

A run has earnings, payees, batches of persons, holds and reports under the faults of its seed; then a time without
faults until everything is paid, back or explained. At the end the bank's book is compared with ours.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from functools import cache, partial
from typing import Any

from contracts.commissions.v1 import CommissionReleased, Share
from contracts.payees.v1 import PayeeChanged
from contracts.payouts.rails import RAILS
from contracts.payouts.v1 import (
    ApproveBatch,
    ConfirmResolution,
    HoldPayouts,
    ProposeBatch,
    RejectBatch,
    ReleasePayouts,
    ResolvePayout,
)
from contracts.payouts.view import BATCHES, ENDED, PAYEES, PAYOUTS, UNDER_WAY
from contracts.settlement.view import LEDGER
from contracts.wire.envelope import COMMANDS_EXCHANGE, EVENTS_EXCHANGE, STRUCTURED, Command, Payload
from infra.operators.verification import verify
from infra.ports.messaging import Outgoing
from infra.ports.store import JOURNALS, Document
from infra.ports.topology import Topology
from infra.processes import clock
from infra.runtime import roster
from infra.runtime.collections import kept_for
from infra.runtime.topology import topology_of
from infra.runtime.worker import Worker
from infra.settings import Settings
from tests import builders
from tests.payout_story import a_method
from tests.simulation.bank import SimulatedBank
from tests.simulation.broker import SimulatedBroker
from tests.simulation.currencies import Currencies
from tests.simulation.faults import Faults, plan
from tests.simulation.history import History, Log
from tests.simulation.outside import SimulatedOutside
from tests.simulation.processes import Machine, Process, World, process_faults, replicas
from tests.simulation.run import Variant
from tests.simulation.scheduler import NeverIdle, Scheduler, run_at_once
from tests.simulation.sealed import sealed
from tests.simulation.store import SimulatedStore
from tests.simulation.world import START

SETTINGS = Settings.model_construct(clock_interval_s=60)
TROUBLE_S = (60, 1500)
LAST_TICKS_MIN = (*range(30, 300, 30), *range(300, 24 * 60, 120), *range(24 * 60, 8 * 24 * 60, 12 * 60))
"""Every check and every pause ends within a week."""

RAIL_CURRENCIES = {"iso20022": "EUR", "wechat_pay": "CNY", "paypal": "USD", "manual": "EUR"}
PROPOSER, APPROVERS = "ann", ("bob", "carol")
EARNED_AT = START - timedelta(days=20)
BREACHES_KEPT_MAX = 20


@dataclass(frozen=True, slots=True)
class Result:
    """`breaches` are sentences; none means that every cent is where it should be."""

    seed: int
    breaches: tuple[str, ...]
    steps: int
    faults: int
    payouts: Counter[str]
    history: History


@cache
def the_workers() -> tuple[Worker, ...]:
    """What commissions hand over is not audited: here they are sent by hand."""
    settlement = roster.load("settlement")
    audits = tuple(audit for audit in settlement.audits if audit.__name__ != "audit_hand_over")
    others = ("payouts", "payout_delivery", "exchange_rates")
    return (replace(settlement, audits=audits), *map(roster.load, others))


@cache
def the_topology() -> Topology:
    return topology_of(the_workers(), SETTINGS)


@dataclass(slots=True)
class Persons:
    """Those who earn, and those who decide what is sent: by what they see in the store, as people do."""

    world: World
    bank: SimulatedBank
    rng: random.Random
    numbers: Counter[str] = field(default_factory=Counter)

    def send(self, payload: Payload) -> None:
        self.numbers["sent"] += 1
        now = START + timedelta(milliseconds=self.world.scheduler.now_ms)
        message = builders.message(payload, id=f"sent-{self.numbers['sent']}", time=now - timedelta(hours=1))
        self.world.record("persons", "send", message.to_bytes().decode())
        exchange = COMMANDS_EXCHANGE if isinstance(payload, Command) else EVENTS_EXCHANGE
        self.world.broker.take(Outgoing(exchange, message.type, message.to_bytes(), STRUCTURED))

    def earn(self, distributor_id: int, currency: str) -> None:
        self.numbers["orders"] += 1
        amount = Decimal(self.rng.randint(1, 900_00)) / 100
        released = CommissionReleased(
            shop_id="shop-1",
            order_id=f"order-{self.numbers['orders']}",
            currency=currency,
            total=amount,
            shares=(Share(distributor_id=distributor_id, amount=amount),),
            released_at=EARNED_AT + timedelta(hours=self.rng.randint(0, 200)),
        )
        self.send(released)

    def set_method(self, distributor_id: int, rail: str, version: int, *, fine: bool = False) -> None:
        method = a_method(rail, RAIL_CURRENCIES[rail], method_id=f"m-{distributor_id}-{version}")
        chance = 1.0 if fine else self.rng.random()
        cooling = START + timedelta(hours=2) if chance < 0.15 else None
        payee = PayeeChanged(
            distributor_id=distributor_id,
            version=version,
            usable=chance >= 0.05,
            usable_from=cooling,
            method=None if chance < 0.02 else method,
        )
        self.send(payee)

    def propose(self, by: str = PROPOSER) -> None:
        self.numbers["batches"] += 1
        rail = self.rng.choice((None, None, *RAILS))
        self.send(ProposeBatch(batch_id=f"b-{self.numbers['batches']}", market="default", rail=rail, proposed_by=by))

    def decide(self, *, fine: bool = False) -> None:
        """Approve what is proposed: some by two persons at once, some by the proposer, which is refused; or reject, in
        the end what would not be sent as it was proposed.
        """
        for batch in self._documents(BATCHES, "state", ("proposed",)):
            chance = 1.0 if fine else self.rng.random()
            self.numbers[batch["_id"]] += fine
            if chance < 0.1 or self.numbers[batch["_id"]] > 1:
                self.send(RejectBatch(batch_id=batch["_id"], reason="typo", rejected_by="bob"))
                continue
            persons = APPROVERS if chance < 0.4 else (PROPOSER.upper(),) if chance < 0.5 else APPROVERS[:1]
            for person in persons:
                self.send(ApproveBatch(batch_id=batch["_id"], digest=batch["digest"], approved_by=person))
            if not fine and self.rng.random() < 0.3:
                self.hold(self.rng.choice(batch["lines"])["distributor_id"])

    def hold(self, distributor_id: int) -> None:
        self.send(HoldPayouts(distributor_id=distributor_id, reason="under_review", by="bob"))

    def release(self) -> None:
        for payee in self._documents(PAYEES):
            if payee.get("hold") is not None:
                self.send(ReleasePayouts(distributor_id=payee["_id"], by="bob"))

    def resolve(self) -> None:
        """State what the bank's book says of each payout that waits for persons; another one confirms it."""
        for payout in self._documents(PAYOUTS, "state", sorted(UNDER_WAY)):
            attempt = payout["attempts"][-1]["number"]
            waits = payout["state"] == "sent" and RAILS[payout["plan"]["rail"]].answers == "person"
            if not (waits or payout["needs_person"]) or not self.bank.is_final(payout["_id"]):
                continue
            outcome = "paid" if self.bank.credits_of(payout["_id"]) else "failed"
            if (stated := payout.get("resolution")) is not None and stated["outcome"] == outcome:
                confirm = ConfirmResolution(payout_id=payout["_id"], attempt=attempt, outcome=outcome, by="bob")
                self.send(confirm)
            else:
                book = "the bank's book"
                self.send(
                    ResolvePayout(payout_id=payout["_id"], attempt=attempt, outcome=outcome, evidence=book, by="ann")
                )

    def _documents(self, name: str, path: str = "_id", values: Sequence[str] | None = None) -> list[Document]:
        documents = self.world.store.tables[name].values()
        return [each for each in documents if values is None or each[path] in values]


def simulate(seed: int, variant: Variant | None = None, *, thrifty: bool = True) -> Result:
    """Pay as the seed decides."""
    variant = variant or Variant()
    rng = random.Random(seed)
    faults = Faults(rng, variant.plan or plan(rng))
    history = History()
    scheduler = Scheduler(rng, hurry=faults.plan.hurry)
    log = Log(history, scheduler)
    workers = the_workers()
    known = (*workers, roster.load("shop_webhooks"))
    owned = [collection for worker in known for collection in worker.repository.collections]
    kept = [collection for worker in workers for collection in kept_for(worker, SETTINGS)]
    store = variant.store([*owned, *kept], scheduler, faults, history)
    broker = SimulatedBroker(the_topology(), scheduler, faults, history)
    bank = SimulatedBank(scheduler, random.Random(f"bank/{seed}"), history, lambda report: persons.send(report))
    world = World(
        scheduler,
        faults,
        store,
        broker,
        SETTINGS,
        the_topology().routed,
        START,
        SimulatedOutside(scheduler, random.Random(f"outside/{seed}"), history),
        bank,
        variant.loop,
        variant.performer,
        variant.inbox,
    )
    persons = Persons(world, bank, random.Random(f"persons/{seed}"))
    found: list[str] = []

    def process_number() -> int:
        return scheduler.current.number if isinstance(scheduler.current, Process) else 0

    with sealed(seed, log=log, process_number=process_number, thrifty=thrifty):
        try:
            _live(world, bank, persons, Currencies(persons.send, scheduler, random.Random(f"currencies/{seed}")))
        except NeverIdle as error:
            found.append(str(error))
    found += world.escaped
    if not found:
        found += _breaches(store, broker, bank)
    states = Counter(document["state"] for document in store.tables[PAYOUTS].values())
    return Result(seed, tuple(found[:BREACHES_KEPT_MAX]), scheduler.steps, faults.suffered, states, history)


def _live(world: World, bank: SimulatedBank, persons: Persons, currencies: Currencies) -> None:
    scheduler, faults, rng = world.scheduler, world.faults, persons.rng
    machines = [Machine(), Machine()]
    processes = replicas(world, the_workers(), machines)
    for process in processes:
        process.start()
    for second in range(0, TROUBLE_S[1], SETTINGS.clock_interval_s):
        for _ in machines:
            scheduler.at(second * 1000 + int(rng.random() * 30_000), partial(_tick, world))
    rails = {number: rng.choice([*RAILS]) for number in range(1, rng.randint(3, 8))}
    trouble_ms = int(1000 * (TROUBLE_S[0] + faults.rng.random() * (TROUBLE_S[1] - TROUBLE_S[0])))

    def some_time(act: Any, *given: Any, within: float = 1.0) -> None:
        scheduler.at(int(rng.random() * within * trouble_ms), partial(act, *given))

    for number, rail in rails.items():
        some_time(persons.set_method, number, rail, 1, within=0.2)
        for _ in range(rng.randint(1, 3)):
            some_time(persons.earn, number, RAIL_CURRENCIES[rail], within=0.1)
        if rng.random() < 0.3:
            some_time(persons.set_method, number, rail, 2)
        if rng.random() < 0.2:
            some_time(persons.hold, number)
    currencies.live(some_time, {number: RAIL_CURRENCIES[rail] for number, rail in rails.items()})
    for _ in range(rng.randint(1, 5)):
        some_time(persons.propose)
    for _ in range(12):
        some_time(persons.decide)
    some_time(persons.release)
    scheduler.before_step = process_faults(world)
    scheduler.run(until_ms=trouble_ms)
    world.record("", "PEACE")
    faults.heal()
    bank.is_fine = True
    world.broker.recover()
    scheduler.hurry = 0.0
    scheduler.before_step = lambda _: False
    for number, rail in rails.items():
        scheduler.after(1000, partial(persons.set_method, number, rail, 3, fine=True))
    currencies.open_corridors()
    for day in (1, 2, 3):
        scheduler.at(trouble_ms + day * 86_400_000, bank.write_statement)
    for minute in LAST_TICKS_MIN:
        at_ms = trouble_ms + minute * 60_000
        scheduler.at(at_ms - 20_000, currencies.publish)
        scheduler.at(at_ms - 9_000, persons.release)
        scheduler.at(at_ms - 8_000, persons.propose)
        scheduler.at(at_ms - 6_000, partial(persons.decide, fine=True))
        scheduler.at(at_ms - 4_000, persons.resolve)
        scheduler.at(at_ms - 2_000, persons.resolve)
        scheduler.at(at_ms, partial(_tick, world))
    scheduler.run()


def _tick(world: World) -> None:
    now_s = int(START.timestamp()) + world.scheduler.now_ms // 1000
    world.broker.take(clock.tick(now_s // SETTINGS.clock_interval_s, SETTINGS.clock_interval_s))


class MuchLater:
    def now(self) -> Any:
        return START + timedelta(days=30)


def _breaches(store: SimulatedStore, broker: SimulatedBroker, bank: SimulatedBank) -> Iterator[str]:
    report = run_at_once(verify(store, the_workers(), MuchLater()))  # type: ignore[arg-type]
    for breach in report.breaches:
        yield f"{breach.invariant} {breach.about}: {breach.detail}"
    for payout_id, times in bank.worst.items():
        if times > 1:
            yield f"{payout_id} was credited {times} times at once in the bank's book"
    yield from (f"{key} was sent again, and no one had asked what became of it" for key in bank.unasked)
    for payout in store.tables[PAYOUTS].values():
        yield from _as_in_the_book(payout, bank)
    paid: Counter[tuple[int, str]] = Counter()
    for posting in store.tables[LEDGER].values():
        if amount := posting["legs"].get("paid"):
            paid[posting["distributor_id"], posting["currency"]] += amount
    for key in sorted(paid.keys() | bank.credited().keys()):
        if paid[key] != bank.credited()[key]:
            yield f"{key} has {bank.credited()[key]} in the bank's book, and {paid[key]} is paid in the ledger"
    for worker in the_workers():
        for record in store.tables[JOURNALS + worker.name].values():
            yield from (f"{worker.name} set {item['id']} aside: {item}" for item in record.get("dead", ()))
    yield from (
        f"{queue} is not empty" for queue, waiting in broker.queues.items() if waiting and "parked" not in queue
    )
    for batch in store.tables[BATCHES].values():
        if batch["state"] == "proposed":
            yield f"batch {batch['_id']} was never decided"


def _as_in_the_book(payout: Document, bank: SimulatedBank) -> Iterator[str]:
    """Paid exactly if the bank has credited it; nothing is stuck."""
    credits, state = bank.credits_of(payout["_id"]), payout["state"]
    if credits != (state == "paid"):
        yield f"{payout['_id']} is {state}, and credited {credits} times in the bank's book"
    if state not in ENDED:
        yield f"{payout['_id']} is still {state} ({payout.get('reason')})"


def _failures(seed: int) -> Result | tuple[int, str]:
    try:
        result = simulate(seed)
    except Exception as error:
        return seed, f"the simulation broke: {error!r}"
    return replace(result, history=History())


def main(args: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.payouts", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, metavar="N", help="how many seeds to run (default 1000)")
    parser.add_argument("--first", type=int, default=1, metavar="S", help="the first of them (default 1)")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="how many at a time (default 2)")
    parser.add_argument("--seed", type=int, metavar="S", help="run this one only, and print its history")
    options = parser.parse_args(args)
    if options.seed is not None:
        result = simulate(options.seed)
        lines = [*result.history.lines(), *(f"BREACH  {breach}" for breach in result.breaches)]
        sys.stdout.write("\n".join(lines) + "\n")
        return 1 if result.breaches else 0
    began, failed = time.monotonic(), 0
    states: Counter[str] = Counter()
    steps = faults = 0
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        seeds = range(options.first, options.first + options.count)
        for outcome in pool.imap(_failures, seeds, chunksize=10):
            if isinstance(outcome, tuple):
                failed += 1
                sys.stdout.write(f"seed {outcome[0]}: {outcome[1]}\n")
                continue
            result = outcome
            states += result.payouts
            steps, faults = steps + result.steps, faults + result.faults
            if result.breaches:
                failed += 1
                sys.stdout.write(f"seed {result.seed} failed:\n" + "".join(f"  {each}\n" for each in result.breaches))
    ended = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    sys.stdout.write(
        f"{options.count} seeds from {options.first}: payouts {ended}; {steps} steps, {faults} faults, "
        f"{failed or 'no'} failed, in {time.monotonic() - began:.1f} s\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
