"""What a distributor is paid is shown to no shop, and to no upline."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from api.commissions.commissions_view import pay_of
from api.http.problems import Problem
from api.identity.principal import Principal
from api.settlements.routes import list_statements
from api.settlements.view import sees
from tests.builders import NOW, SELLER, SHOP, completed, paid, put_in_force
from tests.workflow.system import System

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
