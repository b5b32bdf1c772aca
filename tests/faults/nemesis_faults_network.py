"""Faults between processes and servers: alarms, missing bindings, slow and cut networks, a backlog, and a mixture."""

from __future__ import annotations

import asyncio
import signal
import time

import aio_pika

from contracts.wire.envelope import COMMANDS_EXCHANGE, EVENTS_EXCHANGE
from infra.adapters.rabbitmq import depths
from infra.local.rabbitmq_server import DISK_FREE_MIN
from tests.faults.nemesis_fault import Fault
from tests.faults.nemesis_load import Timed
from tests.faults.nemesis_stage import Stage
from tests.faults.nemesis_trial import Plan, Trial
from tests.faults.proxy import Direction

_ALARM_S = 5.0
_CUT_S = 8.0
_SLOW_BY_S = 0.5
_SLOW_S = 12.0
_SEEN_WITHIN_S = 30.0
_MORE_THAN_ANY_DISK = "1000000GB"
_BINDINGS = (
    ("stock_reservation.order.accepted", EVENTS_EXCHANGE, "order.accepted.v1"),
    ("order_intake.order.place", COMMANDS_EXCHANGE, "order.place.v2"),
)
BACKLOG, BACKLOG_QUICK = 100_000, 5_000
_BACKLOG_WITHIN_S = 600.0
_MEMORY_MAX_MIB = 512


async def alarm_disk(trial: Trial) -> None:
    """Raise the broker's limit above the disk; it then stops reading from publishers."""
    single = trial.bench.single
    await asyncio.to_thread(single.rabbitmqctl, "set_disk_free_limit", _MORE_THAN_ANY_DISK)
    try:
        await asyncio.sleep(2)
        confirmed = trial.shops.confirmed
        await asyncio.sleep(_ALARM_S)
        trial.require(
            trial.shops.confirmed == confirmed,
            f"{trial.shops.confirmed - confirmed} messages were confirmed under a disk alarm",
        )
    finally:
        await asyncio.to_thread(single.rabbitmqctl, "set_disk_free_limit", DISK_FREE_MIN)
    trial.healed()
    trial.observe(f"Nothing was confirmed for {_ALARM_S:.0f} s; shops and workers waited.")


async def unbind(trial: Trial) -> None:
    """Delete the bindings of new and of accepted orders; restore them when the worker reports it."""
    intake = trial.fleet.of("order_intake")
    connection = await aio_pika.connect(trial.settings.rabbitmq_url)
    async with connection:
        channel = await connection.channel()
        queues = [(await channel.get_queue(name, ensure=False), x, key) for name, x, key in _BINDINGS]
        for queue, exchange, key in queues:
            await queue.unbind(exchange, key)
        try:

            async def seen() -> bool:
                return "reached no queue" in await asyncio.to_thread(trial.fleet.lacks, intake)

            await trial.until(seen, "order_intake reports that its events reach no queue", _SEEN_WITHIN_S)
        finally:
            for queue, exchange, key in queues:
                await queue.bind(exchange, key)
    trial.healed()
    assert intake.log is not None, "trials keep logs"
    trial.require("reached no queue" in intake.log.read_text(), "the log does not state that events reached no queue")
    trial.observe("order_intake reported itself not ready and logged why; shops had their orders returned.")


async def slow_mongodb(trial: Trial) -> None:
    trial.bench.mongodb.delay_s = _SLOW_BY_S
    await asyncio.sleep(_SLOW_S)
    trial.bench.mongodb.delay_s = 0.0
    trial.healed()


async def cut_network(trial: Trial) -> None:
    await _cut(trial, "to_server", "to_client")


async def cut_answers(trial: Trial) -> None:
    """Requests arrive, answers do not: a client does not learn what was committed or published."""
    await _cut(trial, "to_client")


async def _cut(trial: Trial, *directions: Direction) -> None:
    bench = trial.bench
    try:
        bench.rabbitmq.block(*directions)
        bench.mongodb.block(*directions)
        await asyncio.sleep(_CUT_S)
    finally:
        bench.rabbitmq.heal()
        bench.mongodb.heal()
    trial.healed()


def _no_load(_: Stage, schedule: list[Timed]) -> list[Timed]:
    del schedule
    return []


async def pile_up(trial: Trial) -> None:
    """Publish while no worker runs, then start the workers."""
    count = BACKLOG_QUICK if trial.quick else BACKLOG
    started = time.monotonic()
    orders = [(0.0, trial.stage.order(f"{n}-bulk", n)) for n in range(count)]
    await trial.shops.run(orders, lambda done, total: trial.report(f"{done} of {total} messages confirmed"))
    published_s = time.monotonic() - started
    seen = await depths(trial.settings.rabbitmq_url, ["order_intake.order.place"])
    waiting = seen["order_intake.order.place"]
    trial.observe(f"{waiting.ready if waiting else 0} messages were published in {published_s:.0f} s and waited.")
    trial.fleet.start()
    trial.healed()


async def _check_memory(trial: Trial) -> None:
    peaks = {name: kib / 1024 for name, kib in trial.fleet.peak_kib.items()}
    for name, mib in peaks.items():
        trial.require(mib <= _MEMORY_MAX_MIB, f"{name} took {mib:.0f} MiB, more than {_MEMORY_MAX_MIB} MiB")
    sizes = ", ".join(f"{name} {mib:.0f} MiB" for name, mib in sorted(peaks.items()))
    trial.observe(f"Peak memory: {sizes}.")


async def mix(trial: Trial) -> None:
    """A slow database, a frozen worker, two dead ones, a cut network and two restarted servers at the same time."""
    bench, fleet = trial.bench, trial.fleet
    bench.mongodb.delay_s = 0.1
    frozen = fleet.of("commission_calculation")
    fleet.send(frozen, signal.SIGSTOP)
    try:
        fleet.send(fleet.of("order_intake"), signal.SIGKILL)
        await asyncio.to_thread(bench.single.kill, "rabbitmq")
        fleet.send(fleet.of("stock_reservation"), signal.SIGKILL)
        await asyncio.to_thread(bench.single.start)
        bench.rabbitmq.block("to_client")
        await asyncio.sleep(2)
        await asyncio.to_thread(bench.single.kill, "mongodb")
        await asyncio.to_thread(bench.single.start)
    finally:
        fleet.send(frozen, signal.SIGCONT)
        bench.rabbitmq.heal()
        bench.mongodb.heal()
    trial.healed()


FAULTS = (
    Fault("disk-alarm", "raises the broker's disk alarm", alarm_disk, plan=Plan(load_s=18.0)),
    Fault("unbound", "deletes two bindings of a running system, and restores them", unbind, plan=Plan(load_s=16.0)),
    Fault(
        "slow-database",
        "adds 500 ms to every answer of MongoDB",
        slow_mongodb,
        plan=Plan(load_s=20.0),
        servers="proxied",
    ),
    Fault(
        "network-cut",
        "cuts the network between the workers and their servers for 8 s, in both directions",
        cut_network,
        plan=Plan(load_s=16.0),
        servers="proxied",
    ),
    Fault(
        "one-way-cut",
        "loses every answer of the servers for 8 s, while requests arrive",
        cut_answers,
        plan=Plan(load_s=16.0),
        servers="proxied",
    ),
    Fault(
        "mixed",
        "does several of these at once: slow, frozen, killed, cut and restarted",
        mix,
        plan=Plan(load_s=24.0),
        servers="proxied",
    ),
    Fault(
        "backlog",
        "lets 100,000 orders pile up, then starts the workers",
        pile_up,
        plan=Plan(
            load_s=0.0,
            shape=_no_load,
            start_workers=False,
            recovery_within_s=_BACKLOG_WITHIN_S,
            within_s=1.5 * _BACKLOG_WITHIN_S,
        ),
        check=_check_memory,
    ),
)
