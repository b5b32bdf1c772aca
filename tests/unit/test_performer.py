"""A performer notes each call before it, and looks up before it sends again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
import structlog

from contracts.notifications.v1 import NotificationDue
from contracts.wire.answer import WITHHELD, Answer
from infra.ports.store import ATTEMPTS, Document, StoreUnavailable
from infra.runtime import roster
from infra.settings import Settings
from tests.builders import message
from tests.receiver import Receiver, due
from tests.workflow.system import System

NOTES = f"{ATTEMPTS}notification_delivery"
DUE = message(due())
SETTINGS = Settings(call_deadline_s=0.05, calls_in_flight_max=3, calls_failed_max=2, destination_pause_s=30)


class Killed(BaseException):
    """Ends the process: no handler of exceptions catches it."""


@dataclass(slots=True)
class Odd(Receiver):
    """Does to the routes of these names what they say."""

    under_way: int = 0
    most_under_way: int = 0
    dies: bool = False
    stops: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def destination(self, request: NotificationDue) -> str:
        if request.route_id == "nameless":
            raise KeyError("no host")
        return Receiver.destination(self, request)

    async def send(self, request: NotificationDue, key: str) -> Answer:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        try:
            answer = await Receiver.send(self, request, key)
            self.arrived.set()
            if self.dies:
                raise Killed
            if request.route_id == "withheld":
                return replace(answer, outcome="unavailable", code=WITHHELD)
            if request.route_id == "hangs":
                await asyncio.sleep(60)
            if request.route_id == "stops":
                await self.stops.wait()
            if request.route_id == "raises":
                raise ValueError(request.channel.sealed)
            return answer
        finally:
            self.under_way -= 1


@pytest.fixture
def system() -> System:
    return a_system()


def a_system(receiver: type[Receiver] = Odd, **settings: Any) -> System:
    system = System([roster.load("notification_delivery")], settings=SETTINGS.model_copy(update=settings))
    system.outside = receiver(system.time)
    restart(system)
    return system


def restart(system: System) -> None:
    """A new process: what the former had not acknowledged is redelivered."""
    system.broker.redeliver()
    system.loops = system.loops_with(system.broker)


async def die_in_a_call(system: System) -> None:
    """The call has arrived; its answer is not recorded."""
    assert isinstance(system.outside, Odd)
    system.outside.dies = True
    await system.send(DUE)
    with pytest.raises(Killed):
        await system.run_until_idle()
    system.outside.dies = False


def leave_commits_unanswered(system: System, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    failing, transact = iter([StoreUnavailable("away")] * times), system.store.transact

    async def sometimes(work: Any) -> Any:
        result = await transact(work)
        if error := next(failing, None):
            raise error
        return result

    monkeypatch.setattr(system.store, "transact", sometimes)


def notes(system: System) -> Mapping[str, Document]:
    return {note["_id"]: note for note in system.documents(NOTES)}


def answers(system: System) -> list[tuple[str, str]]:
    """The outcome and code of each reported attempt."""
    events = system.events("notification.delivered.v1", "notification.failed.v1")
    return [(event["data"].get("outcome", "done"), event["data"]["code"]) for event in events]


async def test_the_answer_becomes_an_event_and_joins_the_note(system: System) -> None:
    await system.send(DUE)
    await system.run_until_idle()

    assert system.outside.arrivals == ["notification-1"]
    assert answers(system) == [("done", "accepted")]
    note = notes(system)[DUE.key]
    assert (note["key"], note["answer"]["outcome"]) == ("notification-1", "done")
    assert "state" not in note
    await system.assert_sound()


@pytest.mark.parametrize("unanswered", [0, 1])
async def test_a_process_that_dies_after_the_call_is_followed_by_one_that_looks_up(
    unanswered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after a commit without an answer, when the note that it has taken over looks like its own."""
    system = a_system(call_deadline_s=20.0)
    await die_in_a_call(system)
    assert notes(system)[DUE.key]["state"] == "calling"

    restart(system)
    leave_commits_unanswered(system, monkeypatch, unanswered)
    await system.run_until_idle()

    assert (system.outside.arrivals, system.outside.looked_up) == (["notification-1"], ["notification-1"])
    assert answers(system) == [("done", "accepted")]


async def test_a_call_that_never_arrived_is_sent_again_with_the_same_key(system: System) -> None:
    await die_in_a_call(system)
    system.outside.arrivals.clear()

    restart(system)
    await system.run_until_idle()

    assert (system.outside.looked_up, system.outside.arrivals) == (["notification-1"], ["notification-1"])


async def test_after_a_look_up_without_an_answer_a_call_that_is_not_taken_may_have_arrived(system: System) -> None:
    system.outside.can_be_asked = False
    await die_in_a_call(system)

    system.outside.answers["warehouse"] = "unavailable"
    restart(system)
    await system.run_until_idle()

    assert (system.outside.looked_up, system.outside.arrivals) == (["notification-1"], ["notification-1"])
    assert answers(system) == [("unknown", "away")]


async def test_of_two_processes_with_the_same_message_the_second_looks_up(system: System) -> None:
    """The first has lost its connection and is still calling."""
    assert isinstance(system.outside, Odd)
    stopped = message(due(route_id="stops"))
    await system.send(stopped)
    first = asyncio.create_task(system.loops[0].run())
    await system.outside.arrived.wait()

    restart(system)
    await system.run_until_idle()
    system.outside.stops.set()
    with pytest.raises(KeyError, match=r"\d"):  # The broker in memory refuses the acknowledgement of the first.
        await first

    assert (system.outside.arrivals, system.outside.looked_up) == (["notification-1"], ["notification-1"])
    assert set(answers(system)) == {("done", "accepted")}
    assert len({event["id"] for event in system.events("notification.delivered.v1")}) == 1


@dataclass(slots=True)
class Crossing(Receiver):
    """Holds each call until it is released. The first does not reach the destination, the others do."""

    held: list[asyncio.Event] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, request: NotificationDue, key: str) -> Answer:
        release = asyncio.Event()
        self.held.append(release)
        is_first = len(self.held) == 1
        self.arrived.set()
        await release.wait()
        return self.answer("unavailable") if is_first else await Receiver.send(self, request, key)


async def test_what_another_process_has_taken_over_is_not_certainly_not_done() -> None:
    system = a_system(Crossing, call_deadline_s=20.0)
    assert isinstance(system.outside, Crossing)
    await system.send(DUE)
    running = []
    for _ in range(2):
        restart(system)
        running.append(asyncio.create_task(system.loops[0].run()))
        await system.outside.arrived.wait()
        system.outside.arrived.clear()

    # The first to commit is the process that lost its connection; its acknowledgement is refused.
    first, second = running
    system.outside.held[0].set()
    await asyncio.wait([first])
    assert answers(system) == [("unknown", "taken_over")]
    system.outside.held[1].set()
    await asyncio.wait([second])
    await system.publish(due(attempt=2))
    await system.run_until_idle()

    assert (system.outside.arrivals, system.outside.looked_up) == (["notification-1"], ["notification-1"] * 2)
    assert answers(system)[-1] == ("done", "accepted")


async def test_a_known_message_is_not_called_again(system: System) -> None:
    await system.send(DUE)
    await system.send(DUE)
    await system.run_until_idle()

    assert system.outside.arrivals == ["notification-1"]
    assert answers(system) == [("done", "accepted")]


async def test_the_events_of_a_known_message_are_published_again_without_a_call(system: System) -> None:
    await system.send(DUE)
    [queued] = system.broker.queues["notification_delivery.notification.due"]
    await system.run_until_idle()
    system.broker.unacknowledged[queued.receipt] = ("notification_delivery.notification.due", queued)
    restart(system)
    await system.run_until_idle()

    assert (system.outside.arrivals, system.outside.looked_up) == (["notification-1"], [])
    assert answers(system) == [("done", "accepted")] * 2


async def test_a_commit_without_an_answer_is_no_reason_to_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    system = a_system(call_deadline_s=20.0)
    leave_commits_unanswered(system, monkeypatch, 2)
    await system.send(DUE)
    await system.run_until_idle()

    assert (system.outside.arrivals, system.outside.looked_up) == (["notification-1"], [])
    assert set(answers(system)) == {("done", "accepted")}


async def test_the_next_attempt_looks_up_where_the_one_before_may_have_arrived() -> None:
    system = a_system(calls_failed_max=5)
    for attempt, outcome in ((1, "unavailable"), (2, "unknown"), (3, "done")):
        system.outside.answers["warehouse"] = outcome  # type: ignore[assignment]
        await system.publish(due(attempt=attempt))
        await system.run_until_idle()

    # Attempt 1 certainly did not arrive, so attempt 2 is sent; attempt 3 finds that attempt 2 arrived.
    assert (system.outside.arrivals, system.outside.looked_up) == (["notification-1"], ["notification-1"])
    assert answers(system) == [("unavailable", "away"), ("unknown", "silent"), ("done", "accepted")]


async def test_what_was_done_is_never_called_again(system: System) -> None:
    for attempt in (1, 2):
        await system.publish(due(attempt=attempt))
    await system.run_until_idle()

    assert (system.outside.arrivals, system.outside.looked_up) == (["notification-1"], [])
    assert answers(system) == [("done", "accepted")] * 2


async def test_a_call_past_its_deadline_is_unknown(system: System) -> None:
    await system.publish(due("slow", route_id="hangs"), due("quick", host="other.test"))
    await system.run_until_idle()

    assert sorted(answers(system)) == [("done", "accepted"), ("unknown", "deadline")]


async def test_an_adapter_that_raises_is_unknown_and_its_text_is_not_logged(system: System) -> None:
    with structlog.testing.capture_logs() as logged:
        restart(system)
        await system.publish(due(route_id="raises"))
        await system.run_until_idle()

    assert answers(system) == [("unknown", "adapter_error")]
    [raised] = [entry for entry in logged if entry["event"] == "adapter_raised"]
    assert (raised["error"], raised["key"]) == ("ValueError", "notification-1")
    assert "sealed-1:" not in str(logged)


async def test_an_adapter_that_cannot_name_the_destination_made_no_call(system: System) -> None:
    await system.publish(due(route_id="nameless"))
    await system.run_until_idle()

    assert answers(system) == [("unavailable", "adapter_error")]


async def test_a_destination_without_answers_is_paused_and_then_tried_once(system: System) -> None:
    system.outside.answers["away"] = "unavailable"
    for number in range(3):
        await system.publish(due(f"n-{number}", route_id="away"))
        await system.run_until_idle()
    await system.publish(due("elsewhere", host="other.test"))
    await system.run_until_idle()
    assert answers(system) == [("unavailable", "away")] * 2 + [("unavailable", "paused"), ("done", "accepted")]

    await system.pass_time(seconds=31)
    await system.publish(due("n-3", route_id="away"), due("n-4", route_id="away"))
    await system.run_until_idle()
    assert answers(system)[4:] == [("unavailable", "away"), ("unavailable", "paused")]

    await system.pass_time(seconds=31)
    for number in (5, 6):
        await system.publish(due(f"n-{number}"))
        await system.run_until_idle()
    assert answers(system)[6:] == [("done", "accepted")] * 2


async def test_calls_that_were_not_made_pause_nothing(system: System) -> None:
    for number in range(4):
        await system.publish(due(f"n-{number}", route_id="withheld"))
        await system.run_until_idle()
    await system.publish(due("n-4"))
    await system.run_until_idle()

    assert answers(system) == [("unavailable", WITHHELD)] * 4 + [("done", "accepted")]


async def test_a_refusal_is_an_answer_and_pauses_nothing(system: System) -> None:
    system.outside.answers["warehouse"] = "refused"
    for number in range(4):
        await system.publish(due(f"n-{number}"))
        await system.run_until_idle()

    assert answers(system) == [("refused", "gone")] * 4


async def test_while_paused_an_earlier_call_stays_unknown(system: System) -> None:
    system.outside.answers["warehouse"] = "unknown"
    for number in range(2):
        await system.publish(due(f"n-{number}"))
        await system.run_until_idle()
    await system.publish(due("n-0", attempt=2))
    await system.run_until_idle()

    assert answers(system)[2:] == [("unknown", "paused")]
    [event] = system.events("notification.failed.v1")[2:]
    assert event["data"]["retry_after_s"] == 30


async def test_a_rule_that_raises_is_tried_again_with_the_same_answer(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    bugs = iter([ZeroDivisionError("a bug in the rule")])
    worker = system.workers[0]
    handler = worker.handlers[0]

    def weak(*given: Any) -> Any:
        if error := next(bugs, None):
            raise error
        return rule(*given)

    rule = handler.decide
    object.__setattr__(handler, "decide", weak)
    try:
        await system.send(DUE)
        await system.run_until_idle(with_retries=True)
    finally:
        object.__setattr__(handler, "decide", rule)

    assert (system.outside.arrivals, system.outside.looked_up) == (["notification-1"], [])
    assert answers(system) == [("done", "accepted")]


async def test_a_process_that_stood_still_after_its_note_looks_up(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    transact = system.store.transact

    async def slow(work: Any) -> Any:
        system.time.advance_to(system.time.now() + timedelta(seconds=1))
        return await transact(work)

    monkeypatch.setattr(system.store, "transact", slow)
    await system.send(DUE)
    await system.run_until_idle()

    assert (system.outside.looked_up, system.outside.arrivals) == (["notification-1"], ["notification-1"])
