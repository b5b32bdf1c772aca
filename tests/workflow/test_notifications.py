"""Alerts reach people: grouped, in their hours, within a budget, until one is acknowledged, and nothing is lost."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.alert_routing.v1 import AcknowledgeAlert, DefineRoute, EndSilence, RemoveRoute, TestRoute
from contracts.notifications.view import NOTICES, NOTIFICATIONS, ROUTES
from contracts.wire.envelope import Payload
from infra.processes import clock
from infra.runtime import roster
from tests.builders import NOW, TEA
from tests.notices import a_route, a_silence, delivered, failed, raised, resolved
from tests.stock_builders import receive
from tests.workflow.system import CLOCK_INTERVAL_S, System
from workers.notification import repository
from workers.notification.repository import GROUPS, NOTICES_MAX

LOW_PRODUCTS = 300


class Notifying(System):
    """All workers but the one that sends; the channel answers only what a test lets it answer."""

    def __init__(self) -> None:
        super().__init__([each for each in roster.load_all() if not each.performs])
        self.answered = 0

    async def after(self, *payloads: Payload, **duration: float) -> list[dict[str, Any]]:
        """Publish, let time pass with a tick at its end, and return what is due to be sent."""
        await self.publish(*payloads)
        await self.run_until_idle()
        await self.tick(self.time.now() + timedelta(**duration))
        await self.run_until_idle()
        return self.new()

    def new(self) -> list[dict[str, Any]]:
        """What was published for the channel since the last call."""
        due = [event["data"] for event in self.events("notification.due.v1")]
        new, self.answered = due[self.answered :], len(due)
        return new

    async def deliver(self, *due: dict[str, Any]) -> None:
        await self.publish(*(delivered(each["notification_id"], each["route_id"], each["attempt"]) for each in due))
        await self.run_until_idle()

    def suppressed(self) -> Counter[str]:
        return Counter(event["data"]["reason"] for event in self.events("notification.suppressed.v1"))

    def states(self) -> Counter[str]:
        return Counter(notice["state"] for notice in self.documents(NOTICES))


@pytest.fixture
async def system() -> Notifying:
    return Notifying()


async def defined(system: Notifying, *routes: DefineRoute) -> None:
    await system.publish(*(routes or (a_route(),)))
    await system.run_until_idle()


def alerts_in(due: dict[str, Any]) -> list[str]:
    return [item["alert"] for item in due["items"]]


async def test_low_stock_is_one_message_once_its_group_has_waited(system: Notifying) -> None:
    await defined(system)
    assert await system.after(receive("r-1", TEA, 3, low_at=5), seconds=20) == []
    [due] = await system.after(seconds=10)

    assert (due["reason"], due["route_id"], due["attempt"], due.get("more", 0)) == ("raised", "warehouse", 1, 0)
    assert alerts_in(due) == [f"stock/{TEA}"]
    await system.deliver(due)
    assert await system.after(minutes=10) == []
    [note] = system.documents(NOTIFICATIONS)
    assert (note["state"], note["code"]) == ("delivered", "ok")
    await system.assert_sound()


async def test_300_low_products_are_one_digest(system: Notifying) -> None:
    await defined(system)
    [due] = await system.after(*(raised(f"stock/{number}") for number in range(LOW_PRODUCTS)), seconds=30)

    assert (len(due["items"]), due["more"]) == (20, LOW_PRODUCTS - 20)
    await system.deliver(due)
    assert await system.after(minutes=1) == []
    assert system.states() == {"sent": LOW_PRODUCTS}
    report = await system.assert_sound()
    assert report.figures["I10"] == {"changes_of_alerts": LOW_PRODUCTS, "delivered": LOW_PRODUCTS}


async def test_what_a_tick_has_not_read_is_sent_by_the_next_ones(system: Notifying) -> None:
    await defined(system)
    count = 2 * NOTICES_MAX + 10
    sent = await system.after(*(raised(f"stock/{number}") for number in range(count)), seconds=30)
    assert system.states() == {"sent": NOTICES_MAX, "waiting": count - NOTICES_MAX}
    await system.deliver(*sent)
    await system.assert_sound()
    sent += await system.after(seconds=10)
    sent += await system.after(seconds=10)

    assert [due["more"] + len(due["items"]) for due in sent] == [NOTICES_MAX, NOTICES_MAX, 10]
    assert system.states() == {"sent": count}


async def test_groups_beyond_the_budget_are_merged_and_nothing_is_dropped(system: Notifying) -> None:
    await defined(system, a_route(budget_per_min=2))
    alerts = [raised(f"stock/{number}", shop_id=f"shop-{number}") for number in range(5)]
    [due] = await system.after(*alerts, seconds=30)
    assert (sorted(alerts_in(due)), due["thread"]) == ([alert.alert for alert in alerts], "warehouse")

    assert len(await system.after(raised("oversold/1", kind="stock_oversold"), seconds=30)) == 1
    assert len(await system.after(raised("oversold/2", kind="a"), raised("oversold/3", kind="b"), seconds=30)) == 2
    await system.deliver(*[event["data"] for event in system.events("notification.due.v1")])
    assert system.states() == {"sent": 8}
    await system.assert_sound()


async def test_with_nothing_left_of_the_budget_it_waits(system: Notifying) -> None:
    await defined(system, a_route(budget_per_min=1))
    assert len(await system.after(raised("stock/1"), seconds=30)) == 1
    assert await system.after(raised("stock/2", kind="other"), seconds=30) == []
    await system.deliver(*(event["data"] for event in system.events("notification.due.v1")))
    await system.assert_sound()
    assert len(await system.after(seconds=30)) == 1


async def test_a_route_without_budget_holds_up_no_other(system: Notifying, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two groups of it are due first, as many as a tick takes."""
    monkeypatch.setattr(repository, "GROUPS_MAX", 2)
    await defined(system, a_route("busy", budget_per_min=1, shops=["a", "b", "c"]), a_route("calm", shops=["d"]))
    assert len(await system.after(raised("stock/1", shop_id="a"), seconds=30)) == 1
    await system.after(*(raised(f"stock/{shop}", shop_id=shop) for shop in ("b", "c")), seconds=10)
    assert await system.after(raised("stock/4", shop_id="d"), seconds=20) == []

    assert [due["route_id"] for due in await system.after(seconds=10)] == ["calm"]
    [due] = await system.after(minutes=1)
    assert (due["route_id"], sorted(alerts_in(due))) == ("busy", ["stock/b", "stock/c"])


async def test_a_resolve_before_its_raise_sends_nothing(system: Notifying) -> None:
    await defined(system)
    assert await system.after(resolved(), seconds=10) == []
    assert await system.after(raised(), minutes=1) == []

    assert system.suppressed() == {"resolved_before_sent": 2}
    await system.assert_sound()


async def test_a_resolve_before_the_group_is_sent_sends_nothing(system: Notifying) -> None:
    await defined(system)
    await system.after(raised(), seconds=10)
    assert await system.after(resolved(), minutes=1) == []

    assert system.suppressed() == {"resolved_before_sent": 2}
    await system.assert_sound()


async def test_the_end_of_a_reported_alert_is_reported_and_ends_its_repeats(system: Notifying) -> None:
    await defined(system)
    await system.deliver(*await system.after(raised(), seconds=30))
    [due] = await system.after(resolved(), minutes=6)
    assert due["reason"] == "resolved"
    await system.deliver(due)

    assert await system.after(hours=5) == []
    await system.assert_sound()


async def test_an_open_alert_is_repeated_until_it_is_acknowledged(system: Notifying) -> None:
    await defined(system)
    await system.deliver(*await system.after(raised(), seconds=30))
    assert await system.after(hours=3) == []
    [due] = await system.after(hours=1)
    assert (due["reason"], alerts_in(due)) == ("repeated", ["stock/501"])
    await system.deliver(due)

    assert await system.after(AcknowledgeAlert(alert="stock/501", by="li.na"), hours=5) == []
    [again] = await system.after(raised(times=2), minutes=6)
    assert again["reason"] == "raised"
    await system.deliver(again)
    await system.assert_sound()


async def test_what_no_one_acknowledges_goes_to_the_other_route(system: Notifying) -> None:
    boss = a_route("boss", kinds=("nothing",))
    await defined(system, boss, a_route(escalate_to="boss", escalate_after_s=600))
    await system.deliver(*await system.after(raised("stock/1"), raised("stock/2"), seconds=30))
    await system.after(AcknowledgeAlert(alert="stock/2", by="li.na"), minutes=5)
    [due] = await system.after(minutes=5)

    assert (due["route_id"], due["reason"], alerts_in(due)) == ("boss", "escalated", ["stock/1"])
    await system.deliver(due)
    assert await system.after(hours=1) == []
    await system.assert_sound()


async def test_quiet_hours_put_off_all_but_what_is_critical(system: Notifying) -> None:
    hours = {"begins": "17:00", "ends": "19:00", "utc_offset_min": 480}
    await defined(system, a_route(quiet_hours=hours))
    [due] = await system.after(raised("stock/1"), raised("stock/2", severity="critical"), minutes=1)
    assert alerts_in(due) == ["stock/2"]
    await system.deliver(due)
    await system.assert_sound()

    assert await system.after(minutes=88) == []
    [due] = await system.after(minutes=1)
    assert (alerts_in(due), system.time.now()) == (["stock/1"], NOW.replace(hour=11, minute=0))


async def test_what_a_silence_holds_is_reported_after_its_end_if_it_is_still_open(system: Notifying) -> None:
    await defined(system)
    await system.publish(a_silence(NOW + timedelta(minutes=30)))
    assert await system.after(raised("stock/1"), raised("stock/2"), minutes=1) == []
    assert system.suppressed() == {"silenced": 2}
    assert await system.after(resolved("stock/2"), minutes=10) == []
    assert system.suppressed() == {"silenced": 2, "raise_not_sent": 1}
    await system.assert_sound()

    [due] = await system.after(minutes=20)
    assert (due["reason"], alerts_in(due)) == ("raised", ["stock/1"])
    await system.deliver(due)
    await system.assert_sound()


async def test_a_silence_that_is_ended_early_holds_nothing_an_hour_later(system: Notifying) -> None:
    await defined(system, a_route(repeat_after_s=0))
    await system.publish(a_silence(NOW + timedelta(days=20)))
    await system.after(raised(), minutes=1)
    assert await system.after(EndSilence(silence_id="stocktaking", by="li.na"), minutes=30) == []
    [due] = await system.after(minutes=31)
    assert alerts_in(due) == ["stock/501"]


@pytest.mark.parametrize("repeat_after_s", [0, 14_400])
async def test_all_that_a_silence_held_is_reported_however_much_it_is(
    system: Notifying, monkeypatch: pytest.MonkeyPatch, repeat_after_s: int
) -> None:
    """More than one tick reads; all of it stays open."""
    monkeypatch.setattr(repository, "NOTICES_MAX", 4)
    await defined(system, a_route(repeat_after_s=repeat_after_s))
    await system.publish(a_silence(NOW + timedelta(minutes=30)))
    await system.after(*(raised(f"stock/{number}") for number in range(10)), minutes=1)
    await system.after(seconds=10)
    await system.after(seconds=10)
    assert system.suppressed() == {"silenced": 10}
    found: list[str] = []
    for minutes in (30, 1, 1):
        for due in await system.after(minutes=minutes):
            found += alerts_in(due)
            await system.deliver(due)

    assert set(found) == {f"stock/{number}" for number in range(10)}
    assert await system.after(minutes=10) == []
    await system.assert_sound()


async def test_a_failed_attempt_is_tried_again_with_the_same_id_and_pauses_that_grow(system: Notifying) -> None:
    await defined(system, a_route(repeat_after_s=0))
    [due] = await system.after(raised(), seconds=30)
    for pause in ({"seconds": 10}, {"minutes": 1}, {"minutes": 10}, {"hours": 1}, {"hours": 6}, {"hours": 24}):
        [again] = await system.after(failed(due["notification_id"], attempt=due["attempt"]), **pause)
        assert again == {**due, "attempt": due["attempt"] + 1}
        due = again
    await system.after(failed(due["notification_id"], "unknown", attempt=7), hours=1)

    [note] = system.documents(NOTIFICATIONS)
    assert (note["state"], note["attempt"], note["code"]) == ("failed", 7, "no_answer")
    await system.assert_sound()


async def test_a_route_that_fails_is_reported_by_the_others_only(system: Notifying) -> None:
    await defined(system, a_route(kinds=("stock_low", "route_failing")), a_route("boss", kinds=("route_failing",)))
    [due] = await system.after(raised(), seconds=30)
    [report] = await system.after(failed(due["notification_id"], "refused"), seconds=30)

    assert (report["route_id"], alerts_in(report)) == ("boss", ["route/warehouse"])
    [route] = [route for route in system.documents(ROUTES) if route["_id"] == "warehouse"]
    assert (route["is_failing"], route["last_code"]) == (True, "no_answer")
    await system.deliver(report)
    await system.after(TestRoute(route_id="warehouse", by="li.na"), seconds=10)
    await system.deliver(*(event["data"] for event in system.events("notification.due.v1")))
    [end] = await system.after(minutes=6)
    assert (end["route_id"], end["reason"]) == ("boss", "resolved")
    await system.deliver(end)
    await system.assert_sound()


async def test_what_waits_for_a_removed_or_changed_route_is_suppressed(system: Notifying) -> None:
    await defined(system, a_route(), a_route("boss"))
    await system.publish(raised())
    await system.run_until_idle()
    await system.publish(RemoveRoute(route_id="boss", by="li.na"), a_route(kinds=("dead_letter",)))

    assert await system.after(minutes=1) == []
    assert system.suppressed() == {"route_removed": 1, "route_changed": 1}
    await system.assert_sound()


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1)])
async def test_a_clock_that_jumps_loses_nothing(system: Notifying, jump: timedelta) -> None:
    """The second machine's clock is an hour off: its ticks come between those of the first."""
    await defined(system)
    await system.publish(raised("stock/1"))
    await system.run_until_idle()
    await tick_of(system, NOW + jump)
    await system.publish(raised("stock/2"))
    await system.run_until_idle()
    for minutes in (1, 70):
        await tick_of(system, NOW + timedelta(minutes=minutes))
        await system.deliver(*system.new())
    await system.publish(resolved("stock/1", at=NOW + jump), resolved("stock/2", at=NOW + jump))
    await system.run_until_idle()
    for minutes in (71, 140):
        await tick_of(system, NOW + timedelta(minutes=minutes))
        await system.deliver(*system.new())

    assert system.states() == {"sent": 4}
    await system.assert_sound()


async def tick_of(system: System, at: datetime) -> None:
    """The tick of a clock, which may be behind ours."""
    system.time.advance_to(at)
    await system.broker.publish([clock.tick(int(at.timestamp()) // CLOCK_INTERVAL_S, CLOCK_INTERVAL_S)])
    await system.run_until_idle()


async def test_a_repeated_message_changes_nothing(system: Notifying) -> None:
    await defined(system, a_route(), a_route())
    [due] = await system.after(raised(), raised(), seconds=30)
    await system.deliver(due, due)

    assert system.states() == {"sent": 1}
    await system.assert_sound()


@pytest.mark.parametrize(
    ("collection", "spoiled", "found"),
    [
        (GROUPS, {"waiting": 0}, "counts 0 waiting notices, there are 1"),
        (GROUPS, {"flush_at": None}, "has 1 waiting notices, and due is None"),
        (NOTICES, {"state": "suppressed", "waiting_in": None}, "is suppressed without a reason"),
        (NOTICES, {"route_id": "boss"}, "the route warehouse matches, and does not report it"),
        (NOTICES, {"state": "sent", "waiting_in": None}, "was sent with a notification that does not exist"),
    ],
)
async def test_the_audit_finds_what_was_spoiled(
    system: Notifying, collection: str, spoiled: dict[str, Any], found: str
) -> None:
    await defined(system, a_route(), a_route("boss", kinds=("nothing",)))
    await system.after(raised(), seconds=10)
    await system.assert_sound()
    table = system.store.table(collection)
    [document] = table.find({})
    table.put({key: value for key, value in {**document, **spoiled}.items() if value is not None})

    assert found in " ".join(breach.detail for breach in (await system.verify()).breaches)


async def test_the_audit_finds_what_waits_for_too_long(system: Notifying) -> None:
    await defined(system)
    await system.after(raised("stock/1"), seconds=30)
    await system.publish(raised("stock/2", kind="other"))
    await system.run_until_idle()
    system.time.advance_to(NOW + timedelta(days=3))

    found = " ".join(breach.detail for breach in (await system.verify()).breaches)
    assert "stock/1 on the route warehouse is neither delivered nor failed" in found
    assert "stock/2 on the route warehouse has been waiting for too long" in found
