"""A bank with books of its own, behind all rails: what it credited is the independent measure of what was paid.

It recognises a key that comes again. Calls may be refused, lost before or after they arrive, or arrive long after their
deadline; callbacks come never, twice, late, in any order, or with a wrong amount; payments fail, wait for the payee, or
come back.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from contracts.money import to_minor
from contracts.payouts.faults import EXPIRED, FUNDS
from contracts.payouts.rails import RAILS
from contracts.payouts.v1 import PayoutAttemptDue, PayoutCheckDue, ReportOutcome, ReportPayout
from contracts.wire.answer import Answer
from tests.simulation.history import History
from tests.simulation.scheduler import Scheduler, Sleep, suspend, turn
from tests.simulation.world import START

Request = PayoutAttemptDue | PayoutCheckDue

HANGS_MS = 120_000
LATE_MS_MAX = 900_000
STEP_MS_MAX = 4 * 3_600_000
"""How long a payment stays at one standing."""

WEATHER = ("fine", "fine", "fine", "away", "no funds", "lost before", "lost after", "error after", "late")

Standing = tuple[ReportOutcome, str]

LIVES: dict[str, tuple[tuple[Standing, ...], ...]] = {
    "iso20022": (
        (("accepted", "accepted"), ("paid", "paid")),
        (("paid", "paid"),),
        (("accepted", "accepted"), ("failed", "account_closed")),
        (("accepted", "accepted"), ("paid", "paid"), ("returned", "account_unknown")),
    ),
    "wechat_pay": (
        (("awaiting_payee", "awaiting_payee"), ("paid", "paid")),
        (("accepted", "accepted"), ("awaiting_payee", "awaiting_payee"), ("failed", EXPIRED)),
        (("accepted", "accepted"), ("paid", "paid")),
    ),
    "paypal": (
        (("accepted", "accepted"), ("paid", "paid")),
        (("accepted", "accepted"), ("paid", "paid"), ("failed", "account_blocked")),
        (("accepted", "accepted"), ("failed", FUNDS)),
        (("accepted", "accepted"), ("awaiting_payee", "awaiting_payee"), ("paid", "paid")),
    ),
    "manual": ((("accepted", "accepted"), ("paid", "paid")), (("accepted", "accepted"), ("failed", "rejected"))),
}
"""What may become of a payment, by rail, in the order of its standings."""


@dataclass(slots=True)
class Payment:
    """A line of the bank's book."""

    key: str
    payout_id: str
    distributor_id: int
    currency: str
    amount: Decimal
    rail: str
    life: tuple[Standing, ...]
    step: int = 0
    is_credited: bool = False

    @property
    def standing(self) -> Standing:
        return self.life[self.step]

    @property
    def is_over(self) -> bool:
        return self.step == len(self.life) - 1


@dataclass(slots=True)
class SimulatedBank:
    """`reports` takes each callback. `worst` is the most that a payout was ever credited for at once."""

    scheduler: Scheduler
    rng: random.Random
    history: History
    reports: Callable[[ReportPayout], None]
    is_fine: bool = False
    book: dict[str, Payment] = field(default_factory=dict)
    worst: Counter[str] = field(default_factory=Counter)
    unasked: list[str] = field(default_factory=list)
    _open: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    _numbers: int = 0

    def destination(self, request: Request) -> str:
        return request.method.rail

    async def send(self, request: Request, key: str) -> Answer:
        if isinstance(request, PayoutCheckDue):
            return await self._asked(request)
        await turn("call")
        if self._open[key]:
            self.unasked.append(key)
        self._open[key] += 1
        weather = "fine" if self.is_fine else self.rng.choice(WEATHER)
        self._record(weather, request)
        if weather in ("away", "no funds"):
            self._open[key] = 0
            return self._answer("unavailable", "away" if weather == "away" else FUNDS)
        if weather == "lost before":
            await suspend(Sleep(HANGS_MS))
        if weather == "late":
            self.scheduler.after(HANGS_MS // 2 + int(self.rng.random() * LATE_MS_MAX), lambda: self._later(request))
            await suspend(Sleep(HANGS_MS))
        payment = self._arrive(request)
        await turn("answer")
        if weather == "lost after":
            await suspend(Sleep(HANGS_MS))
        self._open[key] = 0
        return self._answer("unknown", "http_500") if weather == "error after" else self._standing(payment)

    async def look_up(self, request: Request, key: str) -> Answer | None:
        """Of a check: asks again. Of an attempt: None if it never arrived, so that it is sent."""
        if isinstance(request, PayoutCheckDue):
            return None
        await turn("look up")
        self._open[key] = 0
        payment = self.book.get(key)
        if not self.is_fine and self.rng.random() < 0.2:
            self._open[key] = 1
            return self._answer("unknown", "http_500")
        self._record("looks up", request)
        return self._standing(payment) if payment is not None else None

    async def _asked(self, check: PayoutCheckDue) -> Answer:
        await turn("look up")
        self._record("is asked", check)
        if not self.is_fine and self.rng.random() < 0.2:
            return self._answer("unknown", "http_500")
        payment = self.book.get(check.key)
        return self._answer("done", "absent") if payment is None else self._standing(payment)

    def credited(self) -> Counter[tuple[int, str]]:
        """What each payee has, by currency, in minor units."""
        sums: Counter[tuple[int, str]] = Counter()
        for payment in self.book.values():
            if payment.is_credited:
                sums[payment.distributor_id, payment.currency] += to_minor(payment.amount, payment.currency)
        return sums

    def credits_of(self, payout_id: str) -> int:
        return sum(payment.is_credited for payment in self.book.values() if payment.payout_id == payout_id)

    def is_settled(self, payout_id: str) -> bool:
        """Whether nothing more will happen to what the bank has of a payout."""
        return all(payment.is_over for payment in self.book.values() if payment.payout_id == payout_id)

    def _later(self, request: Request) -> None:
        self._arrive(request)

    def write_statement(self) -> None:
        """The bank's own statement: every payment that was paid or came back, each entry with an id of its own. What
        was on the one before is on it again.
        """
        for payment in [*self.book.values()]:
            for outcome, code in payment.life[: payment.step + 1]:
                if RAILS[payment.rail].answers != "person" and outcome in ("paid", "returned", "failed"):
                    self.reports(self._report(payment, outcome, code, f"entry-{payment.key[:12]}-{outcome}", "file"))

    def _arrive(self, request: Request) -> Payment:
        """Take the payment, or recognise it."""
        known = self.book.get(request.key)
        if known is not None:
            self._record("recognises", request)
            return known
        payment = Payment(
            request.key,
            request.payout_id,
            request.distributor_id,
            request.currency,
            request.amount,
            request.method.rail,
            self.rng.choice(LIVES[request.method.rail]),
        )
        self.book[request.key] = payment
        self._record("takes", request)
        self._reached(payment)
        return payment

    def _reached(self, payment: Payment) -> None:
        """Account for the standing, call back perhaps, and go on later."""
        outcome, _ = payment.standing
        if outcome == "paid":
            payment.is_credited = True
            credits = self.credits_of(payment.payout_id)
            self.worst[payment.payout_id] = max(self.worst[payment.payout_id], credits)
        elif outcome in ("failed", "returned"):
            payment.is_credited = False
        if RAILS[payment.rail].answers != "person":
            self._call_back(payment)
        if not payment.is_over:
            self.scheduler.after(int(self.rng.random() ** 4 * STEP_MS_MAX), lambda: self._next(payment))

    def _next(self, payment: Payment) -> None:
        payment.step += 1
        self._reached(payment)

    def _call_back(self, payment: Payment) -> None:
        """Never, once or twice, at once or late, so that an earlier one may come after a later one; some are wrong."""
        outcome, code = payment.standing
        self._numbers += 1
        report = self._report(payment, outcome, code, f"event-{self._numbers}", "callback")
        if not self.is_fine and self.rng.random() < 0.02:
            report = report.model_copy(update={"amount": payment.amount + 1})
        for _ in range(self.rng.choice((0, 1, 1, 2))):
            self.scheduler.after(int(self.rng.random() ** 6 * STEP_MS_MAX), lambda: self.reports(report))

    def _report(
        self, payment: Payment, outcome: ReportOutcome, code: str, report_id: str, source: Literal["callback", "file"]
    ) -> ReportPayout:
        return ReportPayout(
            key=payment.key,
            rail=payment.rail,
            report_id=report_id,
            outcome=outcome,
            code=code,
            source=source,
            occurred_at=self._now(),
            amount=payment.amount,
            currency=payment.currency,
        )

    def _standing(self, payment: Payment) -> Answer:
        outcome, code = payment.standing
        facts = {"amount": str(payment.amount), "currency": payment.currency}
        if outcome == "failed":
            return self._answer("refused", code, facts)
        return self._answer("done", outcome, facts | ({"fault": code} if outcome == "returned" else {}))

    def _answer(self, outcome: str, code: str, facts: dict[str, str] | None = None) -> Answer:
        detail = f"The bank answers {code}."
        return Answer(outcome, code, detail, self._now(), facts=facts or {})  # type: ignore[arg-type]

    def _now(self) -> datetime:
        return START + timedelta(milliseconds=self.scheduler.now_ms)

    def _record(self, what: str, request: Request) -> None:
        self.history.add(self.scheduler.now_ms, "bank", what, f"{request.payout_id} {request.key[:8]}")
