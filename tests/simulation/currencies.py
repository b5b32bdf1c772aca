"""Earnings in other currencies than the accounts of those who earn, the rates that convert them, and corridors."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from contracts.commissions.v1 import CommissionReleased, Share
from contracts.corridors.v1 import ApproveCorridor, CloseCorridor, DefineCorridor
from contracts.corridors.view import corridor_digest
from contracts.exchange_rates.digests import table_digest
from contracts.exchange_rates.v1 import ApproveRates, CurrencyRate, PublishRates
from contracts.payouts.rails import RAILS
from contracts.wire.envelope import Payload
from tests.simulation.scheduler import Scheduler
from tests.simulation.world import START

IN_USE = ("CNY", "EUR", "USD")
RATES = {"CNY": 7.8, "USD": 1.092}
EARNED_AT = START - timedelta(days=10)


@dataclass(slots=True)
class Currencies:
    """What persons of finance send. Some tables have a slip of the comma, and arrive in any order."""

    send: Callable[[Payload], None]
    scheduler: Scheduler
    rng: random.Random
    numbers: Counter[str] = field(default_factory=Counter)

    def live(self, some_time: Callable[..., None], accounts: Mapping[int, str]) -> None:
        """Rates and corridors from the beginning; earnings in the other currencies; corridors that are closed."""
        some_time(self.open_corridors, within=0.2)
        for _ in range(4):
            some_time(self.publish)
        if self.rng.random() < 0.3:
            some_time(self.close_corridor)
        for distributor_id, currency in accounts.items():
            if self.rng.random() < 0.5:
                other = self.rng.choice([one for one in IN_USE if one != currency])
                some_time(self.earn, distributor_id, other, within=0.1)

    def earn(self, distributor_id: int, currency: str) -> None:
        self.numbers["orders"] += 1
        amount = Decimal(self.rng.randint(10_00, 900_00)) / 100
        released = CommissionReleased(
            shop_id="shop-1",
            order_id=f"abroad-{self.numbers['orders']}",
            currency=currency,
            total=amount,
            shares=(Share(distributor_id=distributor_id, amount=amount),),
            released_at=EARNED_AT,
        )
        self.send(released)

    def publish(self) -> None:
        """A table of this time, and its approval, which may arrive first."""
        self.numbers["tables"] += 1
        as_of = START + timedelta(milliseconds=self.scheduler.now_ms)
        has_slip = self.rng.random() < 0.1
        rates = {
            code: f"{rate * (10 if has_slip else 1) * self.rng.uniform(0.99, 1.01):.4f}" for code, rate in RATES.items()
        }
        table = PublishRates(
            table_id=f"t-{self.numbers['tables']}",
            source="treasury",
            base="EUR",
            as_of=as_of,
            rates=tuple(CurrencyRate(currency=currency, rate=rate) for currency, rate in rates.items()),
            spread=Decimal("0.005"),
            proposed_by="ann",
        )
        digest = table_digest("treasury", "EUR", as_of, rates, 5_000, confirm_jump=False)
        # A slip before the first table is not seen by comparison, but by the second person.
        by = "Ann" if has_slip else "bob"
        self.send(table)
        self.send(ApproveRates(table_id=table.table_id, digest=digest, approved_by=by))

    def open_corridors(self) -> None:
        self.numbers["corridors"] += 1
        for rail in RAILS:
            fields: dict[str, Any] = {"rail": rail, "from_country": "FR", "to_country": "DE", "currencies": IN_USE}
            corridor = DefineCorridor(corridor_id=f"{rail}-{self.numbers['corridors']}", proposed_by="ann", **fields)
            digest = corridor_digest((rail, "FR", "DE"), IN_USE, {}, {})
            self.send(corridor)
            self.send(ApproveCorridor(corridor_id=corridor.corridor_id, digest=digest, approved_by="bob"))

    def close_corridor(self) -> None:
        rail = self.rng.choice([*RAILS])
        self.send(CloseCorridor(corridor_id=f"{rail}-1", reason="policy", closed_by="carol"))
