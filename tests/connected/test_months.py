"""Months on real servers: replicas conflict when both read a capped month, and never when they only add."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest

from contracts.commissions.earnings import EARNINGS, months_of
from contracts.commissions.view import COMMISSIONS
from contracts.rules.view import RULES, Caps, RuleSet, Unilevel
from contracts.wire.decision import Decision
from infra.ports.store import StoreConflict, Transaction
from infra.runtime.repository import Codec, run_queries
from tests.builders import MIDDLE, SELLER, message, paid, rules
from tests.connected.running import Site, command
from workers.commission_calculation.decide import accrue
from workers.commission_calculation.repository import CommissionRepository

MONTH = f"{SELLER}/2026-11/CNY"
PLAIN, CAPPED = 1, 2
CAP_MINOR = 1_500


@pytest.fixture
async def with_rules(site: Site) -> Site:
    """Two rule sets of one market: one without a cap, one with a cap of 15.00 a month."""
    plans = {
        PLAIN: Unilevel("levels", (100_000,)),
        CAPPED: Unilevel("levels", (100_000,), caps=Caps(month={"CNY": 1_500})),
    }
    known = [replace(rules(number), terms=replace(rules().terms, plans=(plan,))) for number, plan in plans.items()]
    documents = [Codec(RuleSet, key="rule_version").to_document(rule_set) for rule_set in known]
    await site.store.transact(lambda tx: tx.insert(RULES, documents))
    return site


async def accrued(site: Site, tx: Transaction, order_id: str, version: int, pid: int, meanwhile: Any = None) -> None:
    """Accrue an order as the process with this id would; run `meanwhile` after it has read."""
    cause = message(paid(order_id=order_id, rule_version=version))
    with patch("os.getpid", lambda: pid):
        repository = await CommissionRepository.load(
            tx, [cause], await run_queries(tx, CommissionRepository.queries([cause]))
        )
    if meanwhile is not None:
        await site.store.transact(lambda other: accrued(site, other, *meanwhile))
    answer = accrue(repository.state_for(cause), cause)
    assert isinstance(answer, Decision)
    repository.keep(answer.state)
    await repository.save(tx)


async def paid_out(site: Site) -> list[int]:
    found = await site.documents(COMMISSIONS)
    return sorted(sum(entry["amount_minor"] for entry in document["entries"]) for document in found)


async def test_two_concurrent_orders_do_not_exceed_a_cap(with_rules: Site) -> None:
    for first, second in (("1", "2"), ("3", "4")):  # The month does not exist yet, and then it does.
        with pytest.raises(StoreConflict):
            await with_rules.store.transact(
                partial(accrued, with_rules, order_id=first, version=CAPPED, pid=1, meanwhile=(second, CAPPED, 2))
            )
        await with_rules.store.transact(partial(accrued, with_rules, order_id=first, version=CAPPED, pid=1))

    assert await paid_out(with_rules) == [0, 0, 600, 900]
    assert sum(await paid_out(with_rules)) == CAP_MINOR


async def test_orders_without_a_cap_never_conflict(with_rules: Site) -> None:
    await with_rules.store.transact(lambda tx: accrued(with_rules, tx, "1", PLAIN, 1, ("2", PLAIN, 2)))
    await with_rules.store.transact(lambda tx: accrued(with_rules, tx, "3", CAPPED, 1, ("4", PLAIN, 2)))

    months = months_of(await with_rules.documents(EARNINGS))
    assert months[MONTH].own_sales_minor == 4 * 9_000
    assert months[MONTH].month_minor == {"levels": 900 + 900 + 900}
    assert {d["_id"] for d in await with_rules.documents(EARNINGS)} == {MONTH, f"{MONTH}#2", f"{MONTH}#3"}


async def test_a_capped_order_sees_the_sums_of_every_process(with_rules: Site) -> None:
    for order_id, pid in (("1", 1), ("2", 6)):
        await with_rules.store.transact(partial(accrued, with_rules, order_id=order_id, version=PLAIN, pid=pid))

    await with_rules.store.transact(lambda tx: accrued(with_rules, tx, "3", CAPPED, 3))

    [commission] = await with_rules.documents(COMMISSIONS, {"_id": "shop-1/3"})
    assert commission["earned"]["month_minor"] == {"levels": {str(SELLER): 1_800}}
    assert commission["entries"] == []


async def test_months_are_rebuilt_from_the_commissions(with_rules: Site) -> None:
    for order_id, pid in (("1", 1), ("2", 6)):
        await with_rules.store.transact(partial(accrued, with_rules, order_id=order_id, version=PLAIN, pid=pid))
    before = months_of(await with_rules.documents(EARNINGS))

    async def spoil(tx: Transaction) -> None:
        await tx.replace(EARNINGS, [{"_id": f"{MONTH}#2", "own_sales_minor": 1}])
        await tx.insert(EARNINGS, [{"_id": f"{MIDDLE}/2026-11/CNY", "own_sales_minor": 5}])

    await with_rules.store.transact(spoil)
    checked = await command("ledger", "rebuild", "--check", environment=with_rules.environment())
    rebuilt = await command("ledger", "rebuild", "--yes", environment=with_rules.environment())
    again = await command("ledger", "rebuild", "--check", environment=with_rules.environment())

    assert (checked.code, rebuilt.code, again.code) == (1, 0, 0)
    assert f"month {MONTH}: the stored figures differ from the commissions" in checked.out
    assert rebuilt.out.endswith("2 distributor months rebuilt from the commissions.\n")
    assert months_of(await with_rules.documents(EARNINGS))[MONTH] == before[MONTH]
