"""Settlement where clocks, terms and zones change, and where a close is overtaken or killed."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest

from contracts.commissions.v1 import Share
from contracts.settlement.document import TermsDocument
from contracts.settlement.v1 import ClosePeriod
from contracts.settlement.view import ACCOUNTS, LEDGER, PERIODS, STATEMENTS, Period, Terms, TermsVersion
from infra.ports.store import StoreConflict, Transaction
from infra.runtime import roster
from infra.runtime.repository import Codec
from tests.builders import MARKET, NOW, SELLER, completed, paid, put_in_force
from tests.workflow.system import System
from tests.workflow.test_settlement import (
    A_WEEK,
    MONTH_END,
    a_release,
    put_terms_in_force,
    statements,
)
from workers.settlement import repository
from workers.settlement.repository import SettlementRepository

SHANGHAI = TermsVersion(
    1, "default", "0" * 64, Terms(zone="Asia/Shanghai"), "ann", NOW, "bob", NOW, datetime(2026, 8, 31, 16, tzinfo=UTC)
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def settling(start: str = "2026-11-10T00:00:00Z") -> System:
    return System([roster.load("settlement")], start=at(start))


def a_close(period: str, **fields: Any) -> ClosePeriod:
    return ClosePeriod(market="default", period=period, by="ann", **fields)


async def booked(system: System, *orders: tuple[str, str]) -> None:
    """Release these orders, each with its time."""
    await system.publish(*(a_release(order_id, at(released_at)) for order_id, released_at in orders))
    await system.run_until_idle()


def found(system: System) -> list[tuple[str, str]]:
    return [(one["period"], one["released"]) for one in statements(system)]


def refusals(system: System) -> list[str]:
    return [event["data"]["reason"] for event in system.events("settlement.close-refused.v1")]


async def test_a_period_that_has_not_begun_by_our_clock_is_not_closed() -> None:
    """The posting came by another process, whose clock is an hour ahead. The month stays whole, and is closed once."""
    system = settling("2026-11-30T23:30:00Z")
    await booked(system, ("1", "2026-12-01T00:10:00Z"))
    await system.publish(a_close("2026-12", distributor_id=SELLER))
    await system.run_until_idle()
    await booked(system, ("2", "2026-12-02T00:00:00Z"))
    await system.tick(at("2027-01-01T06:00:00Z"))
    await system.run_until_idle()

    assert refusals(system) == ["nothing_to_close"]
    assert found(system) == [("2026-12", "6.00")]


async def test_a_refused_close_opens_no_period() -> None:
    minimum = Terms(minimum={"CNY": 100_00})
    system = settling()
    await _insert(system, "settlement.terms", Codec(TermsVersion, key="terms_version"), _terms(minimum))
    await booked(system, ("1", "2026-11-11T00:00:00Z"))
    await system.tick(MONTH_END)
    await system.run_until_idle()
    before = system.documents(PERIODS)
    system.time.advance_to(MONTH_END + A_WEEK)
    await system.publish(a_close("2026-11", distributor_id=SELLER, final=True))
    await system.run_until_idle()

    assert refusals(system) == ["nothing_to_close"]
    assert system.documents(PERIODS) == before


async def test_a_close_in_a_long_grace_leaves_the_running_days_of_newer_terms_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where more accounts have one than a message closes."""
    monkeypatch.setattr(repository, "CLOSE_MAX", 2)
    system = settling()
    await put_terms_in_force(system, TermsDocument(grace_hours=720), version=1)
    await booked(system, ("1", "2026-11-12T00:00:00Z"))
    await put_terms_in_force(system, TermsDocument(period="day", grace_hours=0), version=2)
    system.time.advance_to(at("2026-12-05T12:00:00Z"))
    shares = tuple(Share(distributor_id=number, amount=Decimal("1.00")) for number in range(101, 106))
    await system.publish(a_release("2", at("2026-12-05T11:00:00Z"), shares), a_release("3", system.time.now()))
    await system.run_until_idle()
    await system.publish(a_close("2026-11"))
    await system.run_until_idle()

    assert found(system) == [("2026-11", "3.00")]
    await system.tick(at("2026-12-06T00:00:00Z"))
    await system.run_until_idle()
    assert [period for period, _ in found(system)] == ["2026-11", *["2026-12-05"] * 6]


async def test_only_one_distributors_close_is_final() -> None:
    system = settling()
    await booked(system, ("1", "2026-11-11T00:00:00Z"))
    system.time.advance_to(at("2026-12-01T01:00:00Z"))
    await system.publish(a_close("2026-11", final=True))
    await system.run_until_idle()

    assert (refusals(system), found(system)) == (["final_of_all"], [])


@pytest.mark.parametrize(
    ("moment", "period", "starts_at", "ends_at"),
    [
        ("2026-10-31T15:30:00Z", "2026-11", "2026-10-31T15:00:00Z", "2026-11-30T16:00:00Z"),
        ("2026-11-20T00:00:00Z", "2026-11", "2026-10-31T15:00:00Z", "2026-11-30T16:00:00Z"),
        ("2026-09-30T15:30:00Z", "2026-09", "2026-08-31T16:00:00Z", "2026-09-30T15:00:00Z"),
    ],
)
async def test_case_25_new_periods_adjoin_those_stored_before_a_zones_rules_changed(
    moment: str, period: str, starts_at: str, ends_at: str
) -> None:
    """October was stored with ends an hour earlier than the rules now have."""
    october = Period(
        "default/2026-10",
        "default",
        "2026-10",
        at("2026-09-30T15:00:00Z"),
        at("2026-10-31T15:00:00Z"),
        at("2026-10-31T21:00:00Z"),
        "Asia/Shanghai",
        1,
    )
    system = settling("2026-09-01T00:00:00Z")
    await _insert(system, PERIODS, Codec(Period, key="key"), october)
    await _insert(system, "settlement.terms", Codec(TermsVersion, key="terms_version"), SHANGHAI)
    await booked(system, ("1", "2026-09-30T14:59:00Z" if period == "2026-09" else moment))

    opened = system.document(PERIODS, f"default/{period}")
    assert (opened["starts_at"], opened["ends_at"]) == (at(starts_at), at(ends_at))
    await booked(system, ("2", moment))
    assert len(system.documents(LEDGER)) == 2


async def test_case_27_a_release_overtaken_by_the_close_is_on_the_next_statement(system: System) -> None:
    """The clock's tick comes to settlement first: the hold ended in November, and November is closed by then."""
    for command in put_in_force():
        await system.publish(command)
        await system.run_until_idle()
    await system.publish(paid(), completed())
    await system.run_until_idle(with_retries=True)
    await system.publish(a_release("1", NOW).model_copy(update={"market": MARKET}))
    await system.run_until_idle()
    await system.tick(MONTH_END)
    [closes] = [loop for loop in system.loops if loop._queue == "settlement.clock.ticked"]
    await closes.run()
    await system.run_until_idle()
    await system.tick(at("2027-01-01T06:00:00Z"))
    await system.run_until_idle()

    own = [one for one in statements(system) if one["distributor_id"] == SELLER]
    assert [(one["period"], one["released"], one["late"]) for one in own] == [
        ("2026-11", "3.00", "0.00"),
        ("2026-12", "9.00", "9.00"),
    ]


async def test_case_29_a_close_that_is_killed_closes_all_of_its_accounts_or_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three accounts to a message, and the second message dies after it has written all it had to."""
    monkeypatch.setattr(repository, "CLOSE_MAX", 3)
    system = settling()
    shares = tuple(Share(distributor_id=number, amount=Decimal("1.00")) for number in range(1, 8))
    await system.publish(a_release("1", system.time.now(), shares))
    await system.run_until_idle()
    save = SettlementRepository.save
    saves = 0

    async def killed(repo: SettlementRepository, tx: Transaction) -> None:
        nonlocal saves
        await save(repo, tx)
        saves += 1
        if saves == 2:
            raise StoreConflict("killed")

    with patch.object(SettlementRepository, "save", killed):
        await system.tick(MONTH_END)
        await system.run_until_idle()

    assert saves == 4
    assert [one["number"] for one in statements(system)] == list(range(1, 8))
    assert sorted(document["number"] for document in system.documents(STATEMENTS)) == list(range(1, 8))
    assert all("close_at" not in document for document in system.documents(ACCOUNTS))


def _terms(terms: Terms) -> TermsVersion:
    return TermsVersion(1, "default", "0" * 64, terms, "ann", NOW, "bob", NOW, at("2026-11-01T00:00:00Z"))


async def _insert(system: System, collection: str, codec: Codec[Any], entity: Any) -> None:
    await system.store.transact(lambda tx: tx.insert(collection, [codec.to_document(entity)]))
