"""Payouts in the books of settlement: the worked numbers, and any order of arrival."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from contracts.commissions.v1 import CommissionReleased, CommissionReversed, ReversedEntry, Share
from contracts.money import to_amount
from contracts.rules.plans import AmountIn
from contracts.settlement.digests import adjustment_digest
from contracts.settlement.document import TermsDocument
from contracts.settlement.v1 import ApproveAdjustment, ClosePeriod, ProposeAdjustment
from contracts.settlement.view import ACCOUNTS, BALANCES, LEDGER, STATEMENTS
from contracts.wire.envelope import Payload
from infra.auditing.audit import Report
from infra.ports.store import Document
from infra.runtime import roster
from infra.statements.reading import Balance, accounts_of, balances_by_currency
from tests.builders import message
from tests.payout_builders import SENT_AT, TO_DOLLARS, failed, in_dollars, paid, returned, started
from tests.workflow.system import System
from tests.workflow.test_settlement import put_terms_in_force
from workers.settlement.audit_statements import audit_statements

BEGIN = datetime(2026, 10, 5, tzinfo=UTC)
CLOSE_OCTOBER = datetime(2026, 10, 31, 22, tzinfo=UTC)
CLOSE_NOVEMBER = datetime(2026, 11, 30, 22, tzinfo=UTC)
CLOSE_DECEMBER = datetime(2026, 12, 31, 22, tzinfo=UTC)
ACCOUNT = "default/2/CNY"


def released(order_id: str, amount: str, at: datetime) -> CommissionReleased:
    share = Share(distributor_id=2, amount=Decimal(amount))
    return CommissionReleased(
        shop_id="shop-1", order_id=order_id, currency="CNY", total=share.amount, shares=(share,), released_at=at
    )


def taken_back(order_id: str, amount: str) -> CommissionReversed:
    entry = ReversedEntry(line=1, plan="levels", level=1, distributor_id=2, amount=Decimal(amount))
    return CommissionReversed(
        shop_id="shop-1",
        order_id=order_id,
        currency="CNY",
        reference=f"refund-{order_id}",
        account="available",
        total=entry.amount,
        entries=(entry,),
        reason="order_refunded",
    )


async def do(system: System, *payloads: Payload, at: datetime | None = None) -> None:
    if at is not None:
        system.time.advance_to(at)
    await system.publish(*payloads)
    await system.run_until_idle(with_retries=True)


async def close(system: System, at: datetime) -> None:
    await system.tick(at)
    await system.run_until_idle()


def books(system: System) -> dict[str, str]:
    """What each account of the ledger has, in the order of the worked example; zeros are left out."""
    sums: Counter[str] = Counter()
    for posting in system.documents(LEDGER):
        sums.update({f"{name} {posting['currency']}": minor for name, minor in posting["legs"].items()})
    return {name: f"{minor / 100:.2f}" for name, minor in sorted(sums.items()) if minor}


def cny(**amounts: str) -> dict[str, str]:
    return {f"{name} CNY": amount for name, amount in sorted(amounts.items())}


def statement(system: System, period: str, currency: str = "CNY") -> dict[str, Any]:
    key = f"default/{period}/2/{currency}"
    [found] = [one["data"] for one in system.events("statement.closed.v1") if one["data"]["statement_id"] == key]
    return found


async def faults(system: System) -> list[str]:
    report = Report(system.time.now())
    await audit_statements(system.store, report)
    return [breach.detail for breach in report.breaches]


async def of_october() -> System:
    """Rows 1 to 4: 3000.00 and 2200.00 released, 200.00 taken back, 800.00 withheld of 5000.00."""
    system = System([roster.load("settlement")], start=BEGIN)
    minimum = (AmountIn(currency="CNY", amount=Decimal("100.00")),)
    await put_terms_in_force(system, TermsDocument(zone="Asia/Shanghai", minimum=minimum, tax_rule="cn_labour"))
    await do(system, released("A", "3000.00", BEGIN), released("B", "2200.00", BEGIN), taken_back("C", "-200.00"))
    assert books(system) == cny(commissions="-5000.00", available="5000.00")
    await close(system, CLOSE_OCTOBER)
    assert books(system) == cny(commissions="-5000.00", payable="4200.00", tax="800.00")
    return system


async def of_a_thousand() -> System:
    """1000.00 CNY are payable, without terms."""
    system = System([roster.load("settlement")], start=BEGIN)
    await do(system, released("A", "1000.00", BEGIN))
    await close(system, datetime(2026, 11, 1, 6, tzinfo=UTC))
    return system


@pytest.fixture
async def october() -> System:
    return await of_october()


@pytest.fixture
async def untaxed() -> System:
    return await of_a_thousand()


class TestWorkedNumbers:
    async def test_rows_5_and_6_sent_and_paid(self, october: System) -> None:
        await do(october, started(), at=SENT_AT)
        assert books(october) == cny(commissions="-5000.00", in_payout="4200.00", tax="800.00")

        await do(october, paid())
        assert books(october) == cny(commissions="-5000.00", paid="4200.00", tax="800.00")
        assert await faults(october) == []

    async def test_edge_1_rows_7_to_10_a_refund_after_the_payout_is_carried(self, october: System) -> None:
        await do(october, started(), paid(), at=SENT_AT)
        await do(october, taken_back("A", "-600.00"), at=datetime(2026, 11, 2, tzinfo=UTC))
        await do(october, released("D", "450.00", datetime(2026, 11, 9, tzinfo=UTC)))
        await close(october, CLOSE_NOVEMBER)
        november = statement(october, "2026-11")
        await do(october, released("E", "1000.00", datetime(2026, 12, 9, tzinfo=UTC)))
        await close(october, CLOSE_DECEMBER)
        december = statement(october, "2026-12")

        names = ("opening", "released", "reversed", "returned", "gross", "carried", "outcome")
        shown = tuple(november[name] for name in names)
        assert shown == ("0.00", "450.00", "-600.00", "0.00", "-150.00", "-150.00", "carried_negative")
        shown = tuple(december[name] for name in ("opening", "gross", "withheld", "payable"))
        assert shown == ("-150.00", "850.00", "10.00", "840.00")
        assert books(october) == cny(commissions="-5850.00", paid="4200.00", payable="840.00", tax="810.00")
        assert await faults(october) == []

    async def test_edge_8_row_6_prime_the_bank_returns_it_and_the_same_month_withholds_again(
        self, october: System
    ) -> None:
        await do(october, started(), paid(), at=SENT_AT)
        await do(october, returned(), at=datetime(2026, 11, 4, tzinfo=UTC))
        assert books(october) == cny(commissions="-5000.00", available="5000.00")

        await do(october, ClosePeriod(market="default", period="2026-11", distributor_id=2, by="ann"))
        again = statement(october, "2026-11")
        names = ("opening", "released", "returned", "gross", "withheld", "payable", "posting_count")
        assert tuple(again[name] for name in names) == ("0.00", "0.00", "5000.00", "5000.00", "800.00", "4200.00", 1)
        assert again["withholding"]["month_gross"] == "0.00"
        assert books(october) == cny(commissions="-5000.00", payable="4200.00", tax="800.00")
        assert await faults(october) == []

    async def test_in_a_later_month_it_is_withheld_by_that_months_table(self, october: System) -> None:
        await do(october, started(), failed(), at=SENT_AT)
        await close(october, CLOSE_NOVEMBER)

        november = statement(october, "2026-11")
        assert (november["withholding"]["month"], november["withheld"], november["payable"]) == (
            *("2026-12", "800.00"),
            "4200.00",
        )
        assert await faults(october) == []

    async def test_the_next_payout_is_of_the_next_statement(self, october: System) -> None:
        """It is sent, fails and is payable again; nothing is lost, and nothing is counted twice."""
        await do(october, started(), failed(), at=SENT_AT)
        for month, at in (("2026-11", CLOSE_NOVEMBER), ("2026-12", CLOSE_DECEMBER)):
            await close(october, at)
            payout = {"payout_id": f"default/{month}/2/CNY"}
            await do(october, started(**payout), failed(**payout))

        assert books(october) == cny(commissions="-5000.00", available="5000.00")
        assert await faults(october) == []

    async def test_a_conversion_is_posted_in_both_currencies_and_comes_back_as_it_was_sent(
        self, untaxed: System
    ) -> None:
        await do(
            untaxed,
            started("1000.00", conversion=TO_DOLLARS, amount=Decimal("139.30"), currency="USD"),
            at=SENT_AT,
        )
        kept = {"commissions CNY": "-1000.00", "fees CNY": "5.00", "fx CNY": "995.00", "fx USD": "-139.30"}
        assert books(untaxed) == {**kept, "in_payout USD": "139.30"}

        await do(untaxed, paid("139.30", **in_dollars()))
        assert books(untaxed) == {**kept, "paid USD": "139.30"}

        await do(untaxed, returned("139.30", **in_dollars()))
        assert books(untaxed) == {"available USD": "139.30", **kept}
        await close(untaxed, datetime(2026, 12, 1, 6, tzinfo=UTC))
        back = statement(untaxed, "2026-11", "USD")
        assert (back["returned"], back["payable"], back["outcome"]) == ("139.30", "139.30", "payable")
        assert await faults(untaxed) == []

    async def test_the_balances_of_a_distributor_show_where_the_money_is(self, untaxed: System) -> None:
        async def balances() -> list[Balance]:
            return await balances_by_currency(untaxed.store, await accounts_of(untaxed.store, 2))

        conversion = {"conversion": TO_DOLLARS, "amount": Decimal("139.30"), "currency": "USD"}
        assert await balances() == [Balance("CNY", payable_minor=1_000_00)]
        await do(untaxed, started("1000.00", **conversion), at=SENT_AT)
        assert await balances() == [Balance("CNY"), Balance("USD", in_payout_minor=139_30)]
        await do(untaxed, paid("139.30", **in_dollars()))
        assert await balances() == [Balance("CNY"), Balance("USD", paid_minor=139_30)]
        await do(untaxed, returned("139.30", **in_dollars()))
        assert await balances() == [Balance("CNY"), Balance("USD", available_minor=139_30)]


async def test_edge_2_a_refund_between_close_and_send_changes_nothing_of_what_is_sent(october: System) -> None:
    await do(october, taken_back("A", "-600.00"), at=SENT_AT)
    await do(october, started(), paid())

    expected = cny(commissions="-4400.00", available="-600.00", paid="4200.00", tax="800.00")
    assert books(october) == expected
    assert await faults(october) == []


async def test_edge_48_an_adjustment_touches_what_is_available_and_nothing_else(october: System) -> None:
    fields: dict[str, Any] = {"market": "default", "distributor_id": 2, "currency": "CNY", "reason": "clawback"}
    proposal = ProposeAdjustment(
        adjustment_id="a-1", amount=Decimal("-4200.00"), note="Wrong.", proposed_by="ann", **fields
    )
    await do(october, proposal, at=SENT_AT)
    digest = adjustment_digest("adjustment", "default", 2, "CNY", -4_200_00, "clawback", "Wrong.")
    await do(october, ApproveAdjustment(adjustment_id="a-1", digest=digest, approved_by="bob"))

    account = october.document(ACCOUNTS, ACCOUNT)
    assert (account["payable_minor"], account["in_payout_minor"]) == (4_200_00, 0)
    await do(october, started(), paid())
    assert books(october)["paid CNY"] == "4200.00"
    assert await faults(october) == []


async def test_edge_49_a_fee_that_is_reported_later_is_posted_once(october: System) -> None:
    await do(october, started(), paid(), at=SENT_AT)
    await do(october, paid(fee=Decimal("1.50")), at=datetime(2026, 11, 9, tzinfo=UTC))
    await do(october, paid(fee=Decimal("1.50"), reference="TX-1"))

    expected = cny(commissions="-5000.00", paid="4200.00", tax="800.00", fees="-1.50", rail_fees="1.50")
    assert books(october) == expected
    assert await faults(october) == []


SAME = (started(), paid(fee=Decimal("1.50")), returned(fee=Decimal("3.00")), started())
CONVERTED = (
    started("1000.00", conversion=TO_DOLLARS, amount=Decimal("139.30"), currency="USD"),
    paid("139.30", **in_dollars(fee=Decimal("0.25"))),
    returned("139.30", **in_dollars()),
)
WHOLE_UNITS = (started(left=Decimal("0.50"), amount=Decimal("4199.50")), failed("4199.50"))


@pytest.mark.parametrize(
    ("closed", "events"),
    [(of_october, SAME), (of_a_thousand, CONVERTED), (of_october, WHOLE_UNITS)],
    ids=["returned", "converted", "failed"],
)
async def test_any_order_of_arrival_ends_the_same(
    closed: Callable[[], Awaitable[System]], events: tuple[Payload, ...]
) -> None:
    before = await closed()
    endings = []
    for order in itertools.permutations(range(len(events))):
        system = System([roster.load("settlement")], start=SENT_AT)
        for name in (LEDGER, BALANCES, ACCOUNTS, STATEMENTS, "settlement.periods", "settlement.terms"):
            for document in before.documents(name):
                system.store.table(name).put(dict(document))
        for place in order:
            await system.send(message(events[place], id=f"m-{place}", time=SENT_AT))
            await system.run_until_idle()
        assert await faults(system) == []
        names = (LEDGER, BALANCES, ACCOUNTS)
        endings.append({name: {one["_id"]: one for one in system.documents(name)} for name in names})
    assert all(ending == endings[0] for ending in endings)


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_comes_in_between_the_books_are_right(seed: int) -> None:
    """Two months of releases, refunds, closes by hand and by the clock, and payouts whose events arrive in any order,
    twice, with some converted: at the end nothing waits, and every sum and tax month is as recomputed.
    """
    choose, system = random.Random(seed), await of_october()
    at, known, coming = SENT_AT, set[str](), list[Payload]()
    for step in range(40):
        at += timedelta(hours=choose.randrange(1, 72))
        what = choose.choice(("release", "refund", "close", "tick", "payout", "payout", "payout"))
        if what == "release":
            await do(system, released(f"r-{step}", f"{choose.randrange(100, 9000)}.00", at), at=at)
        elif what == "refund":
            await do(system, taken_back(f"b-{step}", f"-{choose.randrange(1, 2000)}.00"), at=at)
        elif what == "close":
            period = f"{at.astimezone(ZoneInfo('Asia/Shanghai')):%Y-%m}"
            await do(system, ClosePeriod(market="default", period=period, distributor_id=2, by="ann"), at=at)
        elif what == "tick":
            await close(system, at)
        for document in system.documents(STATEMENTS):
            if document["outcome"] == "payable" and document["_id"] not in known:
                known.add(document["_id"])
                coming += events_of_a_payout(document, choose)
        choose.shuffle(coming)
        for _ in range(choose.randrange(3) if what == "payout" else 0):
            await do(system, *[coming.pop()] * choose.choice((1, 2)) if coming else (), at=at)
    await do(system, *coming)

    assert len(known) > 1
    assert await faults(system) == []
    account = system.document(ACCOUNTS, ACCOUNT)
    assert (account["payable_minor"], account["in_payout_minor"]) == (0, 0)


def events_of_a_payout(document: Document, choose: random.Random) -> list[Payload]:
    """The events of the payout of a statement. Some are sent in dollars, at a rate of 0.5."""
    minor, currency = document["payable_minor"], document["currency"]
    fields: dict[str, Any] = {"payout_id": document["_id"], "statement_currency": currency}
    sent: dict[str, Any] = {"payout_id": document["_id"], "currency": currency}
    amount = str(to_amount(minor, currency))
    if currency == "CNY" and choose.random() < 0.4:
        sent["currency"], amount = "USD", str(to_amount(minor // 2, "USD"))
        fields["conversion"] = TO_DOLLARS
    begins = started(str(to_amount(minor, currency)), **{**fields, **sent, "amount": Decimal(amount)})
    ends = choose.choice(("paid", "failed", "returned"))
    if ends == "failed":
        return [begins, failed(amount, **sent)]
    return [begins, paid(amount, **sent), *([returned(amount, **sent)] if ends == "returned" else [])]


async def test_what_precedes_its_statement_waits_for_it() -> None:
    system = System([roster.load("settlement")], start=BEGIN)
    await do(system, released("A", "4200.00", BEGIN))
    system.time.advance_to(datetime(2026, 11, 1, 6, tzinfo=UTC))
    await system.publish(started())
    await system.run_until_idle()
    assert system.document(ACCOUNTS, ACCOUNT)["in_payout_minor"] == 0

    await system.tick(datetime(2026, 11, 1, 6, tzinfo=UTC))
    await system.run_until_idle(with_retries=True)
    assert system.document(ACCOUNTS, ACCOUNT)["in_payout_minor"] == 4_200_00
    assert await faults(system) == []


async def test_documents_of_earlier_releases_are_read(october: System) -> None:
    """They have no amounts of payouts."""
    for name, gone in ((ACCOUNTS, ("in_payout_minor", "paid_minor")), (STATEMENTS, ("returned_minor",))):
        table = october.store.table(name)
        for document in october.documents(name):
            table.remove(document["_id"])
            table.put({field: value for field, value in document.items() if field not in gone})
    table = october.store.table(BALANCES)
    for document in october.documents(BALANCES):
        table.remove(document["_id"])
        table.put({field: value for field, value in document.items() if field != "returned_minor"})

    await do(october, started(), failed(), at=SENT_AT)

    assert books(october) == cny(commissions="-5000.00", available="5000.00")
    assert await faults(october) == []
