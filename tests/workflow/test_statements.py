"""The demo's month from orders to statements: terms of two persons, a close before the refunds and one after them."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest

from contracts.explanation.statement_sentences import StatementWords
from contracts.settlement.view import STATEMENTS
from infra.demo import settlement
from infra.demo.baskets import baskets
from infra.demo.population import populate
from infra.demo.traffic import COMPLETIONS, REFUNDS, traffic
from infra.statements.reading import (
    accounts_of,
    balances_by_currency,
    coming_of,
    lines_of,
    statement_with,
    to_statement,
)
from infra.statements.sheet import sheet_of, written
from tests.workflow.system import System

pytestmark = pytest.mark.slow

ORDERS = 120


async def close_month(system: System) -> None:
    await system.tick(system.time.now() + timedelta(minutes=1))
    await system.run_until_idle()
    await system.publish(*await settlement.closes(system.store))
    await system.run_until_idle()


@pytest.fixture(scope="module")
async def traded() -> System:
    """The demo in memory, as `infra.demo.run` plays it."""
    system = System()
    bought = list(baskets(ORDERS))
    population = populate(bought)
    publications = traffic(bought, population.distributor_of)
    for wave in population.waves():
        await system.publish(*wave)
        await system.run_until_idle()
    for phase in range(REFUNDS + 1):
        if phase == REFUNDS:
            await close_month(system)
        for each in publications:
            if each.phase == phase:
                await system.send_bytes(each.routing_key, each.body, each.content_type or "application/json")
        await system.run_until_idle()
        if phase < COMPLETIONS:
            await system.run_until_idle(with_retries=True)
    await close_month(system)
    return system


async def test_the_statements_of_the_demo_add_up_to_the_commission_ledger(traded: System) -> None:
    found = await settlement.gather(traded.store)

    assert found.count > 10
    assert found.differing == 0
    assert found.payable_minor > 0
    assert set(found.samples) == {"carried_negative", "below_minimum"}
    await traded.assert_sound()


async def test_every_statement_is_written_with_all_of_its_lines(traded: System) -> None:
    statements = [to_statement(one) async for one in traded.store.stream(STATEMENTS, {})]
    for statement in statements:
        lines = lines_of(traded.store, statement.statement_id)
        parts = [part async for part in written(sheet_of(statement, "csv", "zh"), statement, lines)]
        assert b"".join(parts).count(b"\r\n") > statement.posting_count


async def test_anyone_can_check_a_statement_by_its_csv_alone(traded: System) -> None:
    """The figures by their names, the lines by their last amount: nothing of the code that wrote them is used."""
    outcomes = set()
    for statement in [to_statement(one) async for one in traded.store.stream(STATEMENTS, {})]:
        lines = lines_of(traded.store, statement.statement_id)
        content = b"".join([part async for part in written(sheet_of(statement, "csv", "en"), statement, lines)])
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
        head = next(number for number, row in enumerate(rows) if len(row) > 2)
        figures = {row[0]: row[1] for row in rows[:head] if len(row) == 2}
        outcomes.add(figures.pop("Outcome"))
        amount = {name: Decimal(text) for name, text in figures.items()}
        added = sum((Decimal(row[-2]) for row in rows[head + 1 :]), Decimal(0))
        kinds = ("Commissions released", "Commissions taken back", "Rewards", "Adjustments", "Debt written off")
        assert added == sum(amount[kind] for kind in kinds)
        assert amount["Opening"] + added == amount["Gross"]
        assert (
            amount["Gross"]
            == amount["Payable"] + amount["Tax withheld"] + amount["Fees"] + amount["Carried to the next statement"]
        )
    assert len(outcomes) > 2


async def test_a_distributor_sees_what_is_owed_and_what_is_coming(traded: System) -> None:
    found = await settlement.gather(traded.store)
    owing = found.samples["carried_negative"]
    accounts = await accounts_of(traded.store, owing.distributor_id)
    [balance] = await balances_by_currency(traded.store, accounts)

    assert balance.available_minor == owing.carried_minor < 0
    assert balance.payable_minor > 0
    assert await coming_of(traded.store, accounts, traded.time.now()) == []
    stored = await statement_with(traded.store, owing.statement_id)
    assert stored == owing
    assert "You owe" in next(StatementWords(owing, "en").sentences())
