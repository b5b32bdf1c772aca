"""Faults of messages: repeated, out of order, malformed, poison, of two versions, and of a wrong time."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from random import Random

from infra.adapters import rabbitmq as broker
from infra.demo.traffic import PLACE_V1, PLACE_V2, Publication
from infra.runtime.topology import PARKED
from tests.faults.nemesis_fault import Fault
from tests.faults.nemesis_interposer import Interposer
from tests.faults.nemesis_load import Timed, sprinkled, steady
from tests.faults.nemesis_stage import GROUPS, Stage
from tests.faults.nemesis_trial import Plan, Trial
from tests.raw_amqp import NOT_UTF8, long_string, persistent, raw_sender, short, table, timestamp

_COPIES = (2, 5)
_BAD_SHARE = 0.01
_RAISES, _KILLS = "-raise", "-kill"
_DEAD_LETTERED_WITHIN_S = 150.0
_HOUR_S = 3600
_UNDECODABLE = (
    {"timestamp": timestamp(1_764_378_000_000_000)},
    {"message_id": short(NOT_UTF8)},
    {"reply_to": short(NOT_UTF8)},
    {"app_id": short(NOT_UTF8)},
    {"headers": table([(NOT_UTF8, long_string(b"x"))])},
    {"headers": table([(b"sent", b"T" + timestamp(2**63))])},
)


def _each_several_times(_: Stage, schedule: list[Timed]) -> list[Timed]:
    rng = Random(1)
    copies = [
        (due_s + rng.uniform(0, 2), publication)
        for due_s, publication in schedule
        for _ in range(rng.randint(*_COPIES) - 1)
    ]
    return sorted([*schedule, *copies], key=lambda timed: timed[0])


async def repeat_everything(trial: Trial) -> None:
    async with Interposer(trial.settings.rabbitmq_url, trial.topology, shuffles=False) as interposer:
        await asyncio.sleep(trial.plan.load_s * 0.7)
    trial.healed()
    trial.observe(f"{interposer.handed_on} copies of AMQP messages between workers came in addition to the shops' own.")


def _in_any_order(_: Stage, schedule: list[Timed]) -> list[Timed]:
    """Payments before their orders, completions before shipments, cancellations before everything."""
    rng = Random(2)
    last_s = max(due_s for due_s, _ in schedule)
    return sorted(((rng.uniform(0, last_s), publication) for _, publication in schedule), key=lambda timed: timed[0])


async def shuffle_everything(trial: Trial) -> None:
    async with Interposer(trial.settings.rabbitmq_url, trial.topology, shuffles=True) as interposer:
        await asyncio.sleep(trial.plan.load_s * 0.7)
    trial.healed()
    trial.observe(f"{interposer.handed_on} AMQP messages between workers were delayed for a random time each.")


def _with_bad_ones(stage: Stage, schedule: list[Timed]) -> list[Timed]:
    count = max(2, round(len(schedule) * _BAD_SHARE))
    malformed = [_malformed(stage.order(f"{n}-broken", n), n) for n in range(count)]
    return sprinkled(schedule, [*malformed, *(stage.order(f"{n}{_RAISES}", n) for n in range(count))])


def _malformed(like: Publication, number: int) -> Publication:
    """A body cut short, one that is not JSON at all, or one that is JSON and no message."""
    body = (like.body[: len(like.body) // 2], b"\xff\xfe" + like.body[:50], b'["an order, please", %d]' % number)
    return replace(
        like, body=body[number % 3], kind="malformed", answer="dead_lettered", order_keys=(), message_id=None
    )


async def send_bad_messages(trial: Trial) -> None:
    await asyncio.sleep(trial.plan.load_s / 2)


async def _check_bad_messages(trial: Trial) -> None:
    raising = sum(_RAISES in key for offer in trial.shops.history for key in offer.publication.order_keys)
    reasons = await _dead_letter_reasons(trial)
    trial.require(
        reasons["handler_error"] == raising,
        f"{raising} messages made their rule raise, {reasons['handler_error']} were dead-lettered for it",
    )
    trial.observe(f"Dead letters by reason: {', '.join(f'{reason} {n}' for reason, n in sorted(reasons.items()))}.")


def _with_poison(stage: Stage, schedule: list[Timed]) -> list[Timed]:
    poison = (schedule[-1][0] / 4, stage.order(f"one{_KILLS}"))
    return sorted([*schedule, poison], key=lambda timed: timed[0])


async def send_poison(trial: Trial) -> None:
    async def dead_lettered() -> bool:
        return (await _dead_letter_reasons(trial))["ends_its_process"] > 0

    await trial.until(dead_lettered, "the poison message was dead-lettered", _DEAD_LETTERED_WITHIN_S)
    trial.healed()
    trial.observe(
        f"order_intake died {trial.fleet.of('order_intake').restarts} times before the message was dead-lettered."
    )


async def _check_poison(trial: Trial) -> None:
    count = (await _dead_letter_reasons(trial))["ends_its_process"]
    trial.require(count == 1, f"one message ends its process, {count} were dead-lettered for it")


async def send_undecodable_frames(trial: Trial) -> None:
    """Valid orders with properties that no client decodes, sent as raw frames among the shops' own."""
    async with raw_sender(trial.settings.rabbitmq_url) as raw:
        for number, properties in enumerate(_UNDECODABLE):
            order = trial.stage.order(f"{number}-undecodable", number)
            encoded = persistent(order.content_type, **properties)
            await raw.publish(order.exchange.encode(), order.routing_key.encode(), order.body, encoded)
            await asyncio.sleep(trial.plan.load_s / 2 / len(_UNDECODABLE))
    trial.healed()


async def _check_undecodable(trial: Trial) -> None:
    count = (await _dead_letter_reasons(trial))["unreadable_property"]
    trial.require(
        count == len(_UNDECODABLE), f"{len(_UNDECODABLE)} messages cannot be decoded, {count} were dead-lettered for it"
    )
    parked = (await broker.depths(trial.settings.rabbitmq_url, [PARKED]))[PARKED]
    trial.require(parked is not None and parked.ready == 0, f"the broker parked other messages: {parked}")
    trial.observe(f"{count} messages were dead-lettered, each separately.")


async def _dead_letter_reasons(trial: Trial) -> Counter[str]:
    reasons: Counter[str] = Counter()
    async for record in trial.store.stream("journal.order_intake", {"dead": {"$gt": []}}, fields=("dead.reason",)):
        reasons.update(item["reason"] for item in record["dead"])
    return reasons


def _only_v1(stage: Stage, schedule: list[Timed]) -> list[Timed]:
    """What the producers of the older version send: single orders of version 1, and their statuses."""
    known = {key for _, p in schedule if p.routing_key == PLACE_V1 for key in p.order_keys}
    return [(due_s, p) for due_s, p in schedule if p.routing_key != PLACE_V2 and known.issuperset(p.order_keys)]


async def roll_out(trial: Trial) -> None:
    """Replace every process by one of the next version; the old one runs until the new one is ready."""
    for member in list(trial.fleet.members):
        trial.fleet.add(member.names, twist={"NEMESIS_VERSION": "newer"})
        await trial.fleet.until_ready()
        await asyncio.to_thread(trial.fleet.retire, member)
    trial.healed()
    newer = [p for p in trial.stage.publications if not _sent(trial, p)]
    await trial.shops.run(steady(newer, trial.plan.load_s / 3), on_progress=lambda *_: None)
    trial.observe("Producers of order.place.v2 began when every consumer knew it.")


def _sent(trial: Trial, publication: Publication) -> bool:
    return any(offer.publication is publication for offer in trial.shops.history)


async def shift_clocks(trial: Trial) -> None:
    await asyncio.sleep(trial.plan.load_s / 2)


async def _check_clocks(trial: Trial) -> None:
    overdue = await trial.store.find("order_intake.orders", {"reason": "payment_overdue"}, fields=("reason",))
    trial.observe(
        f"order_intake was an hour ahead and stock_reservation an hour behind; {len(overdue)} unpaid orders were "
        "cancelled early, as a deadline measured by clocks two hours apart must be."
    )


FAULTS = (
    Fault(
        "repeats",
        "delivers everything two to five times, from shops and between workers",
        repeat_everything,
        plan=Plan(load_s=16.0, shape=_each_several_times),
    ),
    Fault(
        "shuffle",
        "delivers everything in random order, cancellations before their orders",
        shuffle_everything,
        plan=Plan(shape=_in_any_order),
    ),
    Fault(
        "bad-messages",
        "mixes in 1 % malformed messages and 1 % on which a rule raises",
        send_bad_messages,
        plan=Plan(shape=_with_bad_ones, twists={0: {"NEMESIS_RAISE_ON": _RAISES}}),
        check=_check_bad_messages,
    ),
    Fault(
        "killer-message",
        "sends a message that kills the process that handles it",
        send_poison,
        plan=Plan(shape=_with_poison, twists={0: {"NEMESIS_KILL_ON": _KILLS}}, restart_within_s=1.0),
        check=_check_poison,
    ),
    Fault(
        "undecodable-frames",
        "sends orders with AMQP properties that no client library decodes",
        send_undecodable_frames,
        check=_check_undecodable,
    ),
    Fault(
        "rolling-deploy",
        "replaces version n-1 by n under load, process by process, both side by side",
        roll_out,
        plan=Plan(load_s=24.0, shape=_only_v1, twists={n: {"NEMESIS_VERSION": "older"} for n in range(len(GROUPS))}),
    ),
    Fault(
        "clock-skew",
        "shifts the clocks of two workers by an hour, in opposite directions",
        shift_clocks,
        plan=Plan(
            twists={0: {"NEMESIS_CLOCK_SHIFT_S": str(_HOUR_S)}, 1: {"NEMESIS_CLOCK_SHIFT_S": str(-_HOUR_S)}},
        ),
        check=_check_clocks,
    ),
)
