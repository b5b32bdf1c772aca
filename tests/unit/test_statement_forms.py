"""Which form of a statement a client gets, and what is open before a statement."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fastapi.responses import StreamingResponse

from api.http.problems import Problem
from api.http.turns import PARTS_MAX
from api.settlements.forms import accepted_form, in_form
from contracts.settlement.view import (
    ACCOUNTS,
    BALANCES,
    TERMS,
    Account,
    OpenPeriod,
    Posting,
    Terms,
    TermsVersion,
    account_key,
)
from infra.ports.store import Document
from infra.runtime.repository import Codec
from infra.statements import sheet
from infra.statements.pdf_sheet import PdfSheet
from infra.statements.reading import accounts_of, balances_by_currency, coming_of
from tests.unit.statements import CLOSED_AT, ENDS_AT, STARTS_AT, a_posting, carried
from tests.workflow.system import System

pytestmark = pytest.mark.slow

OCTOBER = OpenPeriod("2026-10", STARTS_AT, ENDS_AT, CLOSED_AT, "Asia/Shanghai", 1)
NOVEMBER = OpenPeriod(
    "2026-11", ENDS_AT, ENDS_AT + timedelta(days=30), ENDS_AT + timedelta(days=30, hours=6), "Asia/Shanghai", 0
)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, None),
        ("", None),
        ("*/*", None),
        ("application/json", None),
        ("text/csv", "csv"),
        ("TEXT/CSV; charset=utf-8", "csv"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "html"),
        ("application/json;q=0.5, application/pdf", "pdf"),
        ("text/csv;q=0, application/json", None),
        ("text/csv;q=x, text/html;q=0.1", "html"),
    ],
)
def test_the_form_with_the_highest_weight_is_sent(accept: str | None, form: str | None) -> None:
    assert accepted_form(accept) == form


@pytest.mark.parametrize("accept", ["image/png", "text/csv;q=0", "text/csv;q=7", "text/csv;q=nan"])
def test_a_form_that_does_not_exist_is_a_problem(accept: str) -> None:
    with pytest.raises(Problem) as refused:
        accepted_form(accept)
    assert refused.value.reason == "not_acceptable"


class Lines:
    """A store with this many lines of one cent."""

    def __init__(self, count: int) -> None:
        self._lines = [a_posting(f"shop-1/{number}", 1) for number in range(count)]

    async def stream(self, *_: Any, **__: Any) -> AsyncIterator[Document]:
        for line in self._lines:
            yield Codec(Posting, key="posting_id").to_document(line)


@pytest.mark.parametrize(("lines", "threads"), [(PARTS_MAX, "MainThread"), (PARTS_MAX * 5 + 1, "large-views_0")])
async def test_a_long_statement_is_written_beside_the_event_loop(
    lines: int, threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages of a PDF are drawn, line by line, and compressed at its end."""
    seen = set()

    class Noted(PdfSheet):
        def head(self) -> bytes:
            seen.add(threading.current_thread().name)
            return super().head()

        def line(self, posting: Posting) -> bytes:
            seen.add(threading.current_thread().name)
            return super().line(posting)

        def foot(self) -> bytes:
            seen.add(threading.current_thread().name)
            return super().foot()

    monkeypatch.setitem(sheet._SHEETS, "pdf", Noted)
    statement = carried(lines, released_minor=lines, reversed_minor=0, posting_count=lines)

    answer = await in_form(Lines(lines), statement, "pdf", "en")  # type: ignore[arg-type]

    assert isinstance(answer, StreamingResponse)
    parts = [bytes(part) async for part in answer.body_iterator if isinstance(part, bytes)]
    assert b"".join(parts).startswith(b"%PDF-")
    assert seen == {threads}


async def stored(account: Account, **figures: dict[str, Any]) -> System:
    """A store with an account, the terms 1 with a minimum of 100.00, and figures by slice."""
    system = System()
    terms = TermsVersion(
        1, "default", "0" * 64, Terms(minimum={"CNY": 10_000}), "ann", STARTS_AT, "wei", STARTS_AT, STARTS_AT
    )

    async def work(tx: Any) -> None:
        await tx.insert(ACCOUNTS, [Codec(Account, key="key").to_document(account)])
        await tx.insert(TERMS, [Codec(TermsVersion, key="terms_version").to_document(terms)])
        await tx.insert(BALANCES, [{"_id": key, **amounts} for key, amounts in figures.items()])

    await system.store.transact(work)
    return system


async def test_what_is_open_is_carried_from_period_to_period() -> None:
    account = Account(account_key("default", 2, "CNY"), "default", 2, "CNY", carried_minor=-1_000, payable_minor=7_000)
    account = replace(account, open=(OCTOBER, NOVEMBER))
    figures = {
        "default/2026-10/2/CNY/0": {"released_minor": 5_000, "postings": 1},
        "default/2026-10/2/CNY/3": {"reversed_minor": -500, "postings": 1},
        "default/2026-11/2/CNY/1": {"rewards_minor": 2_000, "postings": 1},
    }
    system = await stored(account, **figures)
    accounts = await accounts_of(system.store, 2)

    october, november = await coming_of(system.store, accounts, STARTS_AT)
    assert (october.statement.gross_minor, october.statement.outcome) == (3_500, "below_minimum")
    assert (november.statement.opening_minor, november.statement.payable_minor) == (3_500, 5_500)
    [balance] = await balances_by_currency(system.store, accounts)
    assert (balance.currency, balance.available_minor, balance.payable_minor) == ("CNY", 5_500, 7_000)


async def test_without_accounts_nothing_is_open() -> None:
    system = System()

    assert await coming_of(system.store, await accounts_of(system.store, 2), STARTS_AT) == []
    assert await balances_by_currency(system.store, []) == []
