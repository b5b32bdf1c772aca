"""What a distributor is paid is shown to no shop, and to no upline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api.commissions.commissions_view import pay_of
from api.http.problems import Problem
from api.identity.principal import Principal
from api.settlements.routes import list_statements
from api.settlements.view import line_view, sees, statement_view
from infra.statements.reading import lines_of, statement_with
from tests.builders import MARKET, NOW, SELLER, SHOP, completed, paid, put_in_force
from tests.payout_builders import paid as paid_out
from tests.payout_builders import returned, started
from tests.workflow.system import System
from tests.workflow.test_settlement import MONTH_END

READS = frozenset({"commissions:read", "settlements:read"})
ADMIN = Principal("admin", "ann", READS)
A_SELLER = Principal("distributor", "li", READS, SELLER)
AN_UPLINE = Principal("distributor", "top", READS, SELLER + 1)
A_SHOP = Principal("shop", "shop", READS, shop_id=SHOP)


def test_only_an_administrator_sees_everybody() -> None:
    assert [sees(who, None) for who in (ADMIN, A_SELLER, Principal("distributor", "new", READS), A_SHOP)] == [
        *(True, False, False, False)
    ]
    assert [sees(who, SELLER) for who in (ADMIN, A_SELLER, AN_UPLINE, A_SHOP)] == [True, True, False, False]


@pytest.mark.parametrize("distributor_id", [None, SELLER])
async def test_a_shop_lists_no_statements(distributor_id: int | None, system: System) -> None:
    ports: Any = SimpleNamespace(store=system.store)
    request: Any = None

    with pytest.raises(Problem) as refused:
        await list_statements(request, ports, A_SHOP, distributor_id)

    assert refused.value.reason == "not_found"


@pytest.mark.parametrize(
    ("who", "sees_pay"),
    [
        (ADMIN, True),
        (A_SELLER, True),
        (AN_UPLINE, False),
        (Principal("distributor", "li", frozenset({"commissions:read"}), SELLER), False),
        (Principal("admin", "bob", frozenset({"commissions:read"})), False),
    ],
    ids=["administrator", "own", "of the downline", "without permission", "administrator without permission"],
)
async def test_pay_is_shown_to_those_who_see_the_statements(system: System, who: Principal, sees_pay: bool) -> None:
    for command in put_in_force():
        await system.publish(command)
        await system.run_until_idle()
    await system.publish(paid(), completed())
    await system.run_until_idle(with_retries=True)
    await system.tick(NOW + timedelta(days=7))
    await system.run_until_idle()
    store: Any = system.store

    [balance], coming = await pay_of(store, who, SELLER, system.time.now(), "en")

    assert balance.available != "0.00"
    assert (balance.payable, len(coming)) == (("0.00", 1) if sees_pay else (None, 0))
    assert (balance.in_payout, balance.paid) == (("0.00", "0.00") if sees_pay else (None, None))


async def test_where_the_money_is_and_what_came_back(system: System) -> None:
    for command in put_in_force():
        await system.publish(command)
        await system.run_until_idle()
    await system.publish(paid(), completed())
    await system.run_until_idle(with_retries=True)
    for at in (NOW + timedelta(days=7), MONTH_END):
        await system.tick(at)
        await system.run_until_idle()
    statement, store = f"{MARKET}/2026-11/{SELLER}/CNY", cast("Any", system.store)
    payout: dict[str, Any] = {"payout_id": statement, "distributor_id": SELLER}
    shown = []
    for events in ((), (started("9.00", **payout),), (paid_out("9.00", **payout),), (returned("9.00", **payout),)):
        await system.publish(*events)
        await system.run_until_idle()
        [balance], _ = await pay_of(store, A_SELLER, SELLER, system.time.now(), "en")
        shown.append((balance.available, balance.payable, balance.in_payout, balance.paid))

    assert shown == [
        ("0.00", "9.00", "0.00", "0.00"),
        ("0.00", "0.00", "9.00", "0.00"),
        ("0.00", "0.00", "0.00", "9.00"),
        ("9.00", "0.00", "0.00", "0.00"),
    ]
    await system.tick(datetime(2027, 1, 1, 6, tzinfo=UTC))
    await system.run_until_idle()
    found = await statement_with(system.store, statement.replace("2026-11", "2026-12"))
    assert found is not None
    view = statement_view(found, A_SELLER, "en")
    assert (view.returned, view.lines, view.payable, view.line_count) == ("9.00", "9.00", "9.00", 1)
    assert "9.00 CNY could not be paid to you" in view.sentences[3]
    [line] = [line_view(posting) async for posting in lines_of(system.store, found.statement_id)]
    assert (line.kind, line.amount, line.reference) == ("returned", "9.00", statement)
