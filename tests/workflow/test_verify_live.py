"""Verifying a running system: in snapshots that expire, with few queries, and a second pass over the findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest

from infra.auditing.audit import BREACHES_SHOWN_MAX, Report
from infra.operators import verification
from infra.operators.verification import Unfinished, verify_live
from infra.ports.store import StoreUnavailable
from infra.settings import Settings
from tests.builders import KEY, SELLER, TEA, place, update
from tests.workflow.conftest import set_up
from tests.workflow.expiring import ExpiringStore
from tests.workflow.in_memory import InMemoryStore
from tests.workflow.system import System

pytestmark = pytest.mark.slow

SINGLY = Settings(batch_events_max=1, prefetch_commands=1, prefetch_events=1)
"""Gives every message a journal record of its own."""

Damage = Callable[[System], None]


async def a_system(orders: int, settings: Settings = SINGLY) -> System:
    system = await set_up(System(settings=settings), stock=1_000)
    await system.publish(*(place(str(1001 + number), prepaid=True) for number in range(orders)))
    await system.run_until_idle()
    await system.publish(*(update(status, "1001") for status in ("shipped", "completed")), place("900"))
    await system.run_until_idle(with_retries=True)
    return system


async def live_report(system: System, store: ExpiringStore | None = None) -> Report:
    return await verify_live(store or ExpiringStore(system.store), system.workers, system.time)


async def test_there_is_no_query_for_each_journal_record_or_order() -> None:
    queries = []
    for orders in (20, 60):
        system = await a_system(orders)
        store = ExpiringStore(system.store)
        assert (await live_report(system, store)).breach_count == 0
        assert len(system.documents("journal.order_intake")) > 2 * orders
        queries.append(store.queries)

    few, many = queries
    assert few == many
    assert max(many.values()) < 20


async def test_waiting_orders_are_read_in_one_query() -> None:
    queries = []
    for orders in (5, 25):
        system = await set_up(System(settings=SINGLY))
        await system.publish(*(place(str(1001 + number)) for number in range(orders)))
        for loop in system.loops:
            await loop.run()
            system.broker.queues["stock_reservation.order.accepted"].clear()
        await system.pass_time(minutes=30)
        store = ExpiringStore(system.store)
        report = await live_report(system, store)
        assert len([b for b in report.breaches if b.detail.startswith("has waited")]) == min(orders, BREACHES_SHOWN_MAX)
        queries.append(store.queries)

    assert queries[0] == queries[1]


async def test_expired_snapshots_are_followed_by_later_ones() -> None:
    system = await a_system(60)
    store = ExpiringStore(system.store, reads_max=25)

    report = await live_report(system, store)

    assert report.breaches == []
    assert store.snapshots > 3 * len(system.workers)
    assert report.figures == (await system.verify()).figures


async def test_a_breach_is_found_over_expiring_snapshots() -> None:
    system = await a_system(60)
    system.store.table("commission_calculation.commissions").documents["shop-1/1030"]["entries"][0]["tier"] = "gold"

    report = await live_report(system, ExpiringStore(system.store, reads_max=25))

    assert [(breach.invariant, breach.about) for breach in report.breaches] == [("I2", "order/shop-1/1030")]


async def test_sums_over_several_snapshots_are_not_judged() -> None:
    """Sums over all documents can differ only because something changed between two snapshots."""
    system = await a_system(60)
    DAMAGES["a balance"](system)

    with pytest.raises(
        Unfinished, match=r"`commission_calculation \(2 of 2\)` was read as of \d+ moments, .* first is"
    ):
        await live_report(system, ExpiringStore(system.store, reads_max=25))


async def test_certain_breaches_are_reported_next_to_uncertain_ones() -> None:
    system = await a_system(60)
    DAMAGES["a balance"](system)
    DAMAGES["rules"](system)

    report = await live_report(system, ExpiringStore(system.store, reads_max=25))

    assert {"I3", "I8"} <= {breach.invariant for breach in report.breaches}


async def test_snapshots_that_expire_at_once_end_with_a_sentence() -> None:
    system = await a_system(3)

    with pytest.raises(Unfinished, match=r"does not keep a snapshot .* minSnapshotHistoryWindowInSeconds"):
        await live_report(system, ExpiringStore(system.store, reads_max=0))


async def test_an_unreadable_document_ends_with_a_sentence() -> None:
    system = await a_system(3)
    del system.store.table("order_intake.orders").documents[KEY]["lines"]

    with pytest.raises(Unfinished, match=r"\(1 of 2\)` cannot read the stored state\. KeyError"):
        await live_report(system)


async def test_an_unavailable_store_is_no_breach() -> None:
    system = await a_system(3)
    with patch.object(InMemoryStore, "find", side_effect=StoreUnavailable("gone")), pytest.raises(StoreUnavailable):
        await live_report(system)


def spoil(collection: str, key: object, **fields: Any) -> Damage:
    def damage(system: System) -> None:
        system.store.table(collection).documents[key].update(fields)

    return damage


def lose(collection: str, key: object) -> Damage:
    return lambda system: system.store.table(collection).remove(key)


def lose_record(system: System) -> None:
    journal = system.store.table("journal.commission_calculation")
    [record] = journal.find({"about": f"order/{KEY}", "queue": "commission_calculation.order.paid"})
    journal.remove(record["_id"])


def add_to_balance(system: System) -> None:
    balances = system.store.table("commission_calculation.balances")
    [*_, mine] = [d for d in balances.documents.values() if d["distributor_id"] == SELLER]
    mine["held_minor"] += 1


def unbalance(system: System) -> None:
    postings = system.store.table("commission_calculation.ledger")
    [posting, *_] = postings.find({"key": KEY})
    postings.documents[posting["_id"]]["legs"][0]["amount_minor"] += 5


def add_to_month(system: System) -> None:
    [month, *_] = [
        document
        for key, document in system.store.table("commission_calculation.earnings").documents.items()
        if key.startswith(f"{SELLER}/")
    ]
    month["own_sales_minor"] = 7


def add_a_month(system: System) -> None:
    system.store.table("commission_calculation.earnings").put({"_id": "77/2026-11/CNY", "own_sales_minor": 5})


def add_a_commission(system: System) -> None:
    table = system.store.table("commission_calculation.commissions")
    table.put({**table.documents[KEY], "_id": "shop-1/no-such-order"})


def oversell(system: System) -> None:
    system.store.table("stock_reservation.items").documents[TEA]["lots"][0]["reserved"] += 2


def count_less(system: System) -> None:
    for progress in system.store.table("reward_checks.progress").documents.values():
        progress["sales_minor"] -= 1


def lose_months(system: System) -> None:
    months = system.store.table("reward_checks.progress")
    for key in list(months.documents):
        months.remove(key)


def close_cycle(system: System) -> None:
    seller = system.store.table("network.distributors").documents[SELLER]
    seller["sponsors"] = [{**seller["sponsors"][0], "sponsor_id": SELLER}]
    seller["sponsor_id"] = SELLER


def unknown_sponsor(system: System) -> None:
    seller = system.store.table("network.distributors").documents[SELLER]
    seller["sponsors"] = [{**seller["sponsors"][0], "sponsor_id": 4711}]
    seller["sponsor_id"] = 4711


def add_a_move(system: System) -> None:
    system.store.table("network.trees").put({"_id": "sponsors", "moves": 3})


def give_back(system: System) -> None:
    system.store.table("stock_reservation.reservations").documents[KEY]["picks"][0]["given_back"] = 1


def count_unpaid(system: System) -> None:
    sales = system.store.table("reward_checks.sales")
    sales.put({**sales.documents[KEY], "_id": "shop-1/never-paid"})


DAMAGES: dict[str, Damage] = {
    "a lost journal record": lose_record,
    "a balance": add_to_balance,
    "a posting": unbalance,
    "a month": add_to_month,
    "a month of no orders": add_a_month,
    "a commission of no order": add_a_commission,
    "a commission that is lost": lose("commission_calculation.commissions", KEY),
    "a market": spoil("commission_calculation.commissions", KEY, market="west"),
    "a hold": spoil("commission_calculation.commissions", KEY, hold_days=99),
    "an order's state": spoil("order_intake.orders", KEY, reason="of no meaning", completed_at=None, reserved=False),
    "stock": oversell,
    "an item that is low": spoil("stock_reservation.items", TEA, low=True),
    "a reservation": give_back,
    "sales": count_less,
    "a sale of no order": count_unpaid,
    "months that are lost": lose_months,
    "a cycle": close_cycle,
    "an unknown sponsor": unknown_sponsor,
    "a move": add_a_move,
    "rules": spoil("rule_book.rules", 1, digest="0" * 64),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_lasting_damage_is_found_as_in_an_idle_system(damage: Damage) -> None:
    """Later passes read only the subjects of the first, and find the same sentences."""
    system = await a_system(12)
    damage(system)
    with shown(10_000):
        idle, live = await system.verify(), await live_report(system)

    assert idle.breach_count > 0
    assert set(live.breaches) == set(idle.breaches)
    assert live.breach_count == idle.breach_count


@pytest.mark.parametrize("damage", ["a lost journal record", "a hold", "a month of no orders", "a cycle"])
async def test_a_later_pass_reads_only_the_first_findings(damage: str) -> None:
    """The number of orders does not matter, unless a finding is a sum of them."""
    documents = []
    for orders in (12, 48):
        system = await a_system(orders)
        DAMAGES[damage](system)
        store = ExpiringStore(system.store)
        with passes_at_most(1):
            await live_report(system, store)
        once = store.documents.total()
        store = ExpiringStore(system.store)
        assert (await live_report(system, store)).breach_count
        documents.append(store.documents.total() - once)

    assert documents[0] == documents[1]


async def test_events_that_arrive_by_the_second_pass_are_no_breach() -> None:
    """The order is paid, and no other worker has its events yet."""
    system = await a_system(6)
    await system.publish(place("2001", prepaid=True))
    lanes = {True: system.settings.calls_in_flight_max, False: 1}
    handlers = [(worker.queue_of(handler), handler) for worker in system.workers for handler in worker.handlers]
    queues = [queue for queue, handler in handlers for _ in range(lanes[handler.performs])]
    for queue in ("order_intake.order.place", "stock_reservation.order.accepted", "order_intake.stock.reserved"):
        await system.loops[queues.index(queue)].run()
    assert ("I2", "order/shop-1/2001") in {(b.invariant, b.about) for b in (await system.verify()).breaches}

    with patch.object(system.time, "sleep", lambda _: system.run_until_idle()):
        report = await live_report(system)

    assert report.breaches == []


async def test_too_many_subjects_are_counted_in_bounded_memory() -> None:
    system = await a_system(40)
    for commission in system.store.table("commission_calculation.commissions").documents.values():
        commission["hold_days"] = 99

    with patch("infra.auditing.audit.SUBJECTS_MAX", 10):
        report = await live_report(system)

    assert report.breach_count == (await system.verify()).breach_count == 40
    assert len(report.breaches) <= BREACHES_SHOWN_MAX


async def test_too_many_changes_for_a_second_pass_end_with_a_sentence() -> None:
    system = await a_system(40)
    commissions = system.store.table("commission_calculation.commissions").documents
    for commission in commissions.values():
        commission["hold_days"] += 1

    async def repair(seconds: float) -> None:
        for commission in commissions.values():
            commission["hold_days"] -= 1

    with (
        patch("infra.auditing.audit.SUBJECTS_MAX", 10),
        patch.object(system.time, "sleep", repair),
        pytest.raises(Unfinished, match="too many to check again"),
    ):
        await live_report(system)


async def test_progress_names_each_audit_and_counts_what_it_reads() -> None:
    system = await a_system(6)
    seen: list[tuple[str, int, int]] = []

    store = ExpiringStore(system.store)
    await verify_live(store, system.workers, system.time, lambda *progress: seen.append(progress))

    names = list(dict.fromkeys(doing for doing, _, _ in seen))
    assert names[:3] == ["alerting", "catalog", "commission_calculation (1 of 2)"]
    assert names[-1] == "messages"
    assert ("order_intake", 7, 7) in seen


@contextmanager
def shown(count: int) -> Iterator[None]:
    with patch("infra.auditing.audit.BREACHES_SHOWN_MAX", count):
        yield


@contextmanager
def passes_at_most(count: int) -> Iterator[None]:
    with patch.object(verification, "_LOOKS_MAX", count):
        yield
