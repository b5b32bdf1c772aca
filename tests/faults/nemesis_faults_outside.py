"""The fault of the outside world: receivers of alerts and of shops' webhooks fail in every way, and workers are killed.

Receivers answer late by the same share of the deadline as 29 s of 20 s.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.alert_routing.v1 import DefineRoute, RouteTerms, TestRoute
from contracts.notifications.view import NOTICES, NOTIFICATIONS, ROUTES
from contracts.webhooks.v1 import DefineWebhook
from contracts.webhooks.view import DELIVERIES, WEBHOOKS
from contracts.wire.envelope import Payload
from infra.demo.shop import Shop
from infra.operators.verification import verify
from infra.ports.time import RealTime
from infra.processes.fleet import Member
from tests.faults.nemesis_fault import Fault
from tests.faults.nemesis_fleet import TrialFleet
from tests.faults.nemesis_trial import Plan, Trial
from tests.receivers.world import HOST, KINDS, OutsideWorld, mark, outside_world

DEADLINE_S = 2.0
LATE_S = DEADLINE_S * 29 / 20
TYPES = ("order.paid.v1", "order.shipped.v1", "order.completed.v1")
SHOPS = 3
SENDER = "notification_delivery"
_QUICKLY = {"TRIBUTARY_CLOCK_INTERVAL_S": "4", "TRIBUTARY_DESTINATION_PAUSE_S": "1"}
"""Many attempts in a short trial: otherwise the first receiver that is away is not called again before its end.
The clock leaves time between two ticks in which no journal grows."""

_PHASE_S, _PHASE_QUICK_S = 7.0, 4.0
_DEFINED_WITHIN_S = 60.0
_ALL_ENDED_WITHIN_S = 200.0
"""The third attempt is more than a minute after the first."""

_CUT_EVERY_S = 0.1


async def are_down(world: OutsideWorld, for_s: float) -> None:
    """Each connection is ended as soon as it is accepted."""
    upstreams = {proxy: list(proxy.upstreams) for proxy in world.proxies}
    for proxy in world.proxies:
        proxy.upstreams.clear()
        proxy.reset()
    await asyncio.sleep(for_s)
    for proxy, ports in upstreams.items():
        proxy.upstreams[:] = ports


async def hang(world: OutsideWorld, for_s: float) -> None:
    """Requests arrive, answers do not."""
    for proxy in world.proxies:
        proxy.block("to_client")
    await asyncio.sleep(for_s)
    for proxy in world.proxies:
        proxy.heal()


async def cut(world: OutsideWorld, for_s: float) -> None:
    """The mail server takes the message after DATA and ends the connection; webhooks end while they are handled."""
    world.mail.after = "cut"
    world.hook.pause_s = world.shop.pause_s = 3 * _CUT_EVERY_S
    until = time.monotonic() + for_s
    while time.monotonic() < until:
        await asyncio.sleep(_CUT_EVERY_S)
        world.before_hook.reset()
        world.before_shop.reset()


async def ask_to_wait(world: OutsideWorld, for_s: float) -> None:
    _answer(world, 429, {"retry-after": "2"})
    await asyncio.sleep(for_s)


async def fail(world: OutsideWorld, for_s: float) -> None:
    _answer(world, 500, {})
    await asyncio.sleep(for_s)


async def answer_late(world: OutsideWorld, for_s: float) -> None:
    """The sender no longer waits for the answer; the mail server does not answer at all."""
    world.mail.after = "hang"
    world.hook.pause_s = world.shop.pause_s = LATE_S
    await asyncio.sleep(for_s)


def _answer(world: OutsideWorld, status: int, headers: dict[str, str]) -> None:
    world.mail.after = "postpone"
    for receiver in (world.hook, world.shop):
        receiver.status, receiver.headers = status, headers


def _recover(world: OutsideWorld) -> None:
    world.mail.after = "confirm"
    for receiver in (world.hook, world.shop):
        receiver.status, receiver.headers, receiver.pause_s = 204, {}, 0.0


Phase = Callable[[OutsideWorld, float], Awaitable[None]]
PHASES: Mapping[str, Phase] = {
    "down": are_down,
    "hanging": hang,
    "cut": cut,
    "429": ask_to_wait,
    "500": fail,
    "late": answer_late,
}


@dataclass(slots=True)
class OutsideFails:
    """The acts and the check, which share the receivers."""

    _world: OutsideWorld | None = None
    _victims: tuple[Member, ...] = ()

    @property
    def world(self) -> OutsideWorld:
        assert self._world is not None, "prepare() comes first"
        return self._world

    async def prepare(self, trial: Trial) -> None:
        """Routes and webhooks exist before the load, so that its alerts and events are sent."""
        folder = trial.logs / "receivers"
        folder.mkdir()
        self._world = await trial.resources.enter_async_context(outside_world(folder, deadline_s=DEADLINE_S))
        self._victims = await _replace_processes(trial.fleet, self.world)
        await _define(trial, self.world)

    async def act(self, trial: Trial) -> None:
        """Each way to fail in turn, with test notifications beside the alerts of the load; a worker dies in each.

        Each phase begins with all processes ready: one that is still starting would call no one in it.
        """
        for number, (name, phase) in enumerate(PHASES.items()):
            await trial.fleet.until_ready()
            trial.report(f"the receivers fail: {name}")
            await _command(trial, *(TestRoute(route_id=kind, by=f"nemesis-{name}") for kind in KINDS))
            for_s = _PHASE_QUICK_S if trial.quick else _PHASE_S
            killing = _kill_after(trial.fleet, self._victims[number % len(self._victims)], for_s / 2)
            await asyncio.gather(phase(self.world, for_s), killing)
            _recover(self.world)
        trial.healed()

    async def check(self, trial: Trial) -> None:
        """Everything that was to be sent is in the receivers' books, and nothing else.

        A trial that failed before it had receivers has nothing to compare.
        """
        if self._world is None:
            return
        await trial.until(lambda: _have_all_ended(trial), "everything outside is delivered", _ALL_ENDED_WITHIN_S)
        sent = await _sent(trial)
        books = self.world.books()
        for kind in (*KINDS, "shop"):
            missing, unknown = sent[kind] - books[kind].keys(), books[kind].keys() - sent[kind]
            trial.require(bool(sent[kind]), f"{kind}: nothing was sent, so the trial proves nothing")
            trial.require(
                not missing, f"{kind}: {len(missing)} of {len(sent[kind])} did not arrive: {sorted(missing)[:3]}"
            )
            trial.require(not unknown, f"{kind}: {len(unknown)} arrived that were not sent: {sorted(unknown)[:3]}")
        alerts = len(await trial.store.find(NOTICES, {"state": "sent"}, fields=("state",)))
        trial.require(alerts > 0, "no alert of the load was sent, so the trial proves nothing")
        report = await verify(trial.store, trial.workers, RealTime())
        for breach in report.breaches:
            trial.unmet.append(f"{breach.invariant} {breach.about}: {breach.detail}")
        distinct = sum(map(len, sent.values()))
        trial.observe(
            f"{distinct} notifications and events, with {alerts} changes of alerts, each arrived; "
            f"{self.world.arrivals - distinct} repeats had the same id."
        )


async def _replace_processes(fleet: TrialFleet, world: OutsideWorld) -> tuple[Member, Member]:
    """Processes that know the receivers, instead of the one that does not; the sender has its own."""
    old = fleet.of(SENDER)
    settings = {**world.environment(), **_QUICKLY}
    sender = fleet.add((SENDER,), twist=settings)
    others = fleet.add(tuple(name for name in old.names if name != SENDER), twist=settings)
    await fleet.until_ready()
    await asyncio.to_thread(fleet.retire, old)
    return sender, others


async def _define(trial: Trial, world: OutsideWorld) -> None:
    """A route for each kind of channel, and webhooks of the busiest shops."""
    shops = Counter(each.shop_id for each in trial.stage.publications if each.shop_id).most_common(SHOPS)
    terms = RouteTerms(group_by=("kind",), group_wait_s=0, group_interval_s=0, budget_per_min=600).model_dump()
    routes = [DefineRoute(route_id=kind, channel=world.channel(kind, kind), by="nemesis", **terms) for kind in KINDS]
    await _command(trial, *routes, *(_webhook(world, shop_id) for shop_id, _ in shops))

    async def are_defined() -> bool:
        return (await trial.store.count(ROUTES), await trial.store.count(WEBHOOKS)) == (len(KINDS), len(shops))

    await trial.until(are_defined, "routes and webhooks are defined", _DEFINED_WITHIN_S)


def _webhook(world: OutsideWorld, shop_id: str) -> DefineWebhook:
    address, secret = world.sealed_webhook(shop_id)
    return DefineWebhook(
        webhook_id=shop_id, shop_id=shop_id, types=TYPES, host=HOST, address=address, secret=secret, by="nemesis"
    )


async def _command(trial: Trial, *commands: Payload) -> None:
    async with Shop(trial.settings.rabbitmq_url) as house:
        await house.command(commands, on_progress=lambda _: None)


async def _kill_after(fleet: TrialFleet, member: Member, pause_s: float) -> None:
    await asyncio.sleep(pause_s)
    fleet.send(member, signal.SIGKILL)


async def _have_all_ended(trial: Trial) -> bool:
    """Whether all notices, notifications and deliveries have their end."""
    open_states: dict[str, dict[str, Any]] = {
        NOTICES: {"state": "waiting"},
        NOTIFICATIONS: {"state": {"$nin": ["delivered", "failed"]}},
        DELIVERIES: {"state": {"$nin": ["delivered", "failed"]}},
    }
    return not any([await trial.store.find(name, where, limit=1) for name, where in open_states.items()])


async def _sent(trial: Trial) -> defaultdict[str, set[str]]:
    """What was to be sent, by receiver, with what the receiver recognises it by."""
    sent: defaultdict[str, set[str]] = defaultdict(set)
    async for notification in trial.store.stream(NOTIFICATIONS, {}, fields=("route_id",)):
        sent[notification["route_id"]].add(mark(notification["route_id"], notification["_id"]))
    async for delivery in trial.store.stream(DELIVERIES, {}, fields=("state",)):
        sent["shop"].add(mark("shop", delivery["_id"]))
    return sent


_OUTSIDE_FAILS = OutsideFails()

FAULTS = (
    Fault(
        "outside-world",
        "takes mail server and webhook receivers down, lets them hang, cut, ask to wait, fail and answer late, and "
        "kills the workers that send",
        _OUTSIDE_FAILS.act,
        plan=Plan(load_s=60.0, restart_within_s=1.0),
        quick=Plan(load_s=36.0, restart_within_s=1.0),
        prepare=_OUTSIDE_FAILS.prepare,
        check=_OUTSIDE_FAILS.check,
    ),
)
