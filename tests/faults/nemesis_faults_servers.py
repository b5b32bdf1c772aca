"""Faults of processes and servers: killed, frozen, restarted, failed over."""

from __future__ import annotations

import asyncio
import signal
import time

from infra.runtime import roster
from tests.faults.nemesis_fault import Fault
from tests.faults.nemesis_trial import Plan, Trial

_DOWN_S = 2.0
_FROZEN_S, _FROZEN_QUICK_S = 30.0, 6.0
_FAILOVERS = 2
_ENOUGH_CONFIRMED = 20
_ACCEPTING_WITHIN_S = 30.0


async def kill_workers(trial: Trial) -> None:
    """Kill each process in turn, one second apart, so that every worker dies with unfinished work."""
    for member in list(trial.fleet.members):
        trial.fleet.send(member, signal.SIGKILL)
        await asyncio.sleep(1.0)
    trial.healed()
    trial.observe(f"{len(trial.fleet.members)} processes with all {len(roster.names())} workers were killed.")


async def freeze_worker(trial: Trial) -> None:
    member = trial.fleet.of("stock_reservation")
    trial.fleet.send(member, signal.SIGSTOP)
    frozen_s = _FROZEN_QUICK_S if trial.quick else _FROZEN_S
    try:
        await asyncio.sleep(frozen_s)
    finally:
        trial.fleet.send(member, signal.SIGCONT)
    trial.healed()
    trial.observe(f"stock_reservation stood still for {frozen_s:.0f} s with its unacknowledged messages.")


async def restart_rabbitmq(trial: Trial) -> None:
    await asyncio.to_thread(trial.bench.single.stop, "rabbitmq")
    await asyncio.to_thread(trial.bench.single.start)
    trial.healed()


async def kill_rabbitmq(trial: Trial) -> None:
    await asyncio.to_thread(trial.bench.single.kill, "rabbitmq")
    await asyncio.sleep(_DOWN_S)
    await asyncio.to_thread(trial.bench.single.start)
    trial.healed()


async def restart_mongodb(trial: Trial) -> None:
    await asyncio.to_thread(trial.bench.single.stop, "mongodb")
    await asyncio.sleep(_DOWN_S)
    await asyncio.to_thread(trial.bench.single.start)
    trial.healed()


async def kill_mongodb(trial: Trial) -> None:
    await asyncio.to_thread(trial.bench.single.kill, "mongodb")
    await asyncio.sleep(_DOWN_S)
    await asyncio.to_thread(trial.bench.single.start)
    trial.healed()


async def fail_over_mongodb(trial: Trial) -> None:
    """Kill the primary, make its successor step down, and again."""
    members = trial.bench.replica_set
    for _ in range(1 if trial.quick else _FAILOVERS):
        primary = await asyncio.to_thread(members.wait_for_primary, other_than=-1)
        await asyncio.to_thread(members.kill, primary)
        successor = await asyncio.to_thread(members.wait_for_primary, other_than=primary)
        await asyncio.to_thread(members.start_member, primary)
        await asyncio.to_thread(members.wait_until_healthy)
        await asyncio.to_thread(members.step_down, successor)
        await asyncio.to_thread(members.wait_for_primary, other_than=successor)
    trial.healed()


async def lose_cluster_nodes(trial: Trial) -> None:
    """Kill the node that all clients use; when it is back, another one."""
    cluster, balancer = trial.bench.cluster, trial.bench.balancer
    for node in cluster.nodes[:1] if trial.quick else cluster.nodes[:2]:
        # The balancer prefers the node that will be killed, so that its clients have to move.
        balancer.upstreams = [node.ports["clients"], *(port for port in cluster.ports if port != node.ports["clients"])]
        balancer.reset()
        await asyncio.sleep(2)
        await asyncio.to_thread(cluster.kill, node)
        confirmed, killed_at = trial.shops.confirmed, time.monotonic()

        async def accepted(confirmed: int = confirmed) -> bool:
            return trial.shops.confirmed >= confirmed + _ENOUGH_CONFIRMED

        await trial.until(accepted, "two of three nodes accept messages", _ACCEPTING_WITHIN_S)
        waited_s = time.monotonic() - killed_at
        trial.observe(f"Two nodes of three had confirmed {_ENOUGH_CONFIRMED} messages {waited_s:.1f} s after the kill.")
        await asyncio.to_thread(cluster.restart_node, node)
        await asyncio.to_thread(cluster.await_members, len(cluster.nodes))
    trial.healed()


async def lose_redis(trial: Trial) -> None:
    await asyncio.to_thread(trial.bench.single.kill, "redis")
    await asyncio.sleep(_DOWN_S)
    await asyncio.to_thread(trial.bench.single.start)
    trial.healed()
    trial.observe("It came back empty: it keeps nothing on disk.")


FAULTS = (
    Fault("kill-workers", "kills every worker process in turn (`kill -9`)", kill_workers),
    Fault(
        "freeze-worker",
        "freezes a worker for 30 s (SIGSTOP) and resumes it",
        freeze_worker,
        plan=Plan(load_s=28.0),
        quick=Plan(),
    ),
    Fault("rabbitmq-restart", "restarts RabbitMQ", restart_rabbitmq),
    Fault("rabbitmq-kill", "kills RabbitMQ (`kill -9`) and starts it again", kill_rabbitmq),
    Fault("mongodb-kill", "kills MongoDB (`kill -9`) and starts it again", kill_mongodb),
    Fault("mongodb-restart", "restarts MongoDB", restart_mongodb),
    Fault(
        "mongodb-failover",
        "kills the primary of a three-member replica set, makes its successor step down, and again",
        fail_over_mongodb,
        plan=Plan(load_s=20.0),
        servers="replica_set",
    ),
    Fault(
        "rabbitmq-node",
        "kills the node of a three-node cluster that all clients use; when it is back, another",
        lose_cluster_nodes,
        plan=Plan(load_s=44.0),
        servers="cluster",
    ),
    Fault("redis-loss", "kills Redis, which comes back empty", lose_redis),
)
