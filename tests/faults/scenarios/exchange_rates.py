"""Tables of exchange rates that are proposed, approved, rejected and refused."""

from __future__ import annotations

from datetime import timedelta

from contracts.exchange_rates.digests import table_digest
from contracts.exchange_rates.v1 import ApproveRates, CurrencyRate, PublishRates, RejectRates
from tests.builders import NOW
from tests.faults.crash_scenario import Scenario, garbled, noise, outgoing


def exchange_rates() -> Scenario:
    """The third table jumps, and the second becomes older than what is known when the fourth is approved."""
    first, second, third, fourth = (
        _table("t-1", 0, "1.0920"),
        _table("t-2", 1, "1.1000"),
        _table("t-3", 2, "2.2000"),
        _table("t-4", 3, "1.0800"),
    )
    return Scenario(
        "exchange_rates",
        (
            (
                outgoing(first),
                outgoing(first),
                outgoing(first, again=1),
                noise(first.message_type),
                garbled("exchange-rates.publish.v1", table_id="t-9"),
            ),
            (outgoing(_approval(first)), outgoing(_approval(first), again=1), outgoing(_approval(first, "ann"))),
            (outgoing(second), outgoing(third), outgoing(fourth)),
            (outgoing(_approval(fourth)),),
            (outgoing(_approval(second)),),
            (
                outgoing(RejectRates(table_id="t-2", reason="late", rejected_by="bob")),
                outgoing(RejectRates(table_id="t-4", reason="late", rejected_by="bob")),
            ),
        ),
        frozenset(["proposed", "approved", "rejected", "duplicate", "refused"]),
        {},
        dead=1,
    )


def _table(table_id: str, hours: int, rate: str) -> PublishRates:
    return PublishRates(
        table_id=table_id,
        source="treasury",
        base="EUR",
        as_of=NOW - timedelta(days=1) + timedelta(hours=hours),
        rates=(CurrencyRate(currency="USD", rate=rate),),
        proposed_by="ann",
    )


def _approval(table: PublishRates, by: str = "bob") -> ApproveRates:
    rates = {stated.currency: stated.rate for stated in table.rates}
    digest = table_digest(table.source, table.base, table.as_of, rates, 0, confirm_jump=False)
    return ApproveRates(table_id=table.table_id, digest=digest, approved_by=by)
