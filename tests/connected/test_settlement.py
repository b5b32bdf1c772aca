"""Settlement on a real server: a posting and a close of the same slice at the same time never miss each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from contracts.clock.v1 import ClockTicked
from contracts.commissions.v1 import CommissionReleased, Share
from contracts.settlement.digests import digest_of
from contracts.settlement.document import TermsDocument
from contracts.settlement.terms import terms_of
from contracts.settlement.v1 import ApproveTerms, ProposeTerms
from contracts.settlement.view import BALANCES, LEDGER, PERIODS, STATEMENTS, STRIPES, TERMS
from infra.ports.store import StoreConflict, Transaction
from infra.runtime.repository import run_queries
from tests.builders import NOW, SELLER, message
from tests.connected.running import Site
from workers.settlement.closing import close_on_tick
from workers.settlement.decide import book_release
from workers.settlement.repository import SettlementRepository
from workers.settlement.terms import approve_terms, propose_terms

MONTH_END = datetime(2026, 12, 1, 6, tzinfo=UTC)
SLICE = f"default/2026-11/{SELLER}/CNY"


def released(order_id: str) -> Any:
    share = Share(distributor_id=SELLER, amount=Decimal("3.00"))
    return message(
        CommissionReleased(
            shop_id="shop-1", order_id=order_id, currency="CNY", total=share.amount, shares=(share,), released_at=NOW
        )
    )


async def decided(
    tx: Transaction, rule: Any, cause: Any, meanwhile: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Load, decide and save as the loop does; `meanwhile` commits between reading and writing."""
    found = await run_queries(tx, SettlementRepository.queries([cause]))
    repository = await SettlementRepository.load(tx, [cause], found)
    if meanwhile is not None:
        await meanwhile()
    repository.keep(rule(repository.state_for(cause), cause).state)
    await repository.save(tx)


@pytest.mark.parametrize("own_stripe", [0, STRIPES - 1])
async def test_a_posting_beside_a_close_is_run_again_and_goes_to_the_open_period(
    site: Site, monkeypatch: pytest.MonkeyPatch, own_stripe: int
) -> None:
    """Into a stripe that exists, and into one that the close creates."""
    tick = message(ClockTicked(at=MONTH_END, interval_s=10))
    monkeypatch.setattr("workers.settlement.repository.os.getpid", lambda: 0)
    await site.store.transact(lambda tx: decided(tx, book_release, released("1")))
    monkeypatch.setattr("workers.settlement.repository.os.getpid", lambda: own_stripe)

    async def close() -> None:
        await site.store.transact(lambda tx: decided(tx, close_on_tick, tick))

    with pytest.raises(StoreConflict):
        await site.store.transact(lambda tx: decided(tx, book_release, released("2"), close))
    await site.store.transact(lambda tx: decided(tx, book_release, released("2")))

    postings = {document["_id"]: document for document in await site.documents(LEDGER)}
    late = postings[f"shop-1/2/release/{SELLER}"]
    assert (late["statement"], late["late_from"]) == (f"default/2026-12/{SELLER}/CNY", "2026-11")
    assert [document["posting_count"] for document in await site.documents(STATEMENTS)] == [1]
    closed = [document for document in await site.documents(BALANCES) if document.get("closed")]
    assert {document["_id"] for document in closed} == {f"{SLICE}/{stripe}" for stripe in range(STRIPES)}


async def test_a_close_beside_a_posting_is_run_again_and_has_it(site: Site) -> None:
    tick = message(ClockTicked(at=MONTH_END, interval_s=10))
    await site.store.transact(lambda tx: decided(tx, book_release, released("1")))

    async def post() -> None:
        await site.store.transact(lambda tx: decided(tx, book_release, released("2")))

    with pytest.raises(StoreConflict):
        await site.store.transact(lambda tx: decided(tx, close_on_tick, tick, post))
    await site.store.transact(lambda tx: decided(tx, close_on_tick, tick))

    [statement] = await site.documents(STATEMENTS)
    assert (statement["posting_count"], statement["released_minor"]) == (2, 600)


async def test_case_28_two_closes_at_the_same_time_give_one_statement(site: Site) -> None:
    tick = message(ClockTicked(at=MONTH_END, interval_s=10))
    await site.store.transact(lambda tx: decided(tx, book_release, released("1")))

    async def close() -> None:
        await site.store.transact(lambda tx: decided(tx, close_on_tick, tick))

    with pytest.raises(StoreConflict):
        await site.store.transact(lambda tx: decided(tx, close_on_tick, tick, close))
    await site.store.transact(lambda tx: decided(tx, close_on_tick, tick))

    assert [document["number"] for document in await site.documents(STATEMENTS)] == [1]


@pytest.mark.parametrize("is_approval_first", [True, False])
async def test_of_new_terms_and_a_new_period_at_once_one_is_run_again(site: Site, is_approval_first: bool) -> None:
    """Terms begin after every open period: they must see it, or it them."""
    document = TermsDocument(market="default", zone="Asia/Shanghai")
    proposal = message(ProposeTerms(terms_version=1, proposed_by="ann", terms=document))
    approval = message(ApproveTerms(terms_version=1, approved_by="bob", digest=digest_of(terms_of(document))))
    await site.store.transact(lambda tx: decided(tx, propose_terms, proposal))
    steps: list[tuple[Any, Any]] = [(approve_terms, approval), (book_release, released("1"))]
    (rule, cause), late = steps if is_approval_first else steps[::-1]

    async def first() -> None:
        await site.store.transact(lambda tx: decided(tx, rule, cause))

    with pytest.raises(StoreConflict):
        await site.store.transact(lambda tx: decided(tx, *late, first))
    await site.store.transact(lambda tx: decided(tx, *late))

    [terms], [period] = await site.documents(TERMS), await site.documents(PERIODS)
    if is_approval_first:
        assert (period["terms_version"], period["starts_at"]) == (1, terms["since"])
    else:
        assert (period["terms_version"], period["ends_at"]) == (0, terms["since"])
