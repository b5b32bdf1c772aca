"""The bank: takes payments of its dialects as their scenarios say, ends them on ticks, and writes the notices of it."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from tests.bank.book import Book, Ordered, Payment, State
from tests.bank.scenarios import OnSend, Scenario, Scenarios

HANG_S = 60.0


@dataclass(frozen=True)
class Notice:
    """A callback as it arrives."""

    rail: str
    headers: dict[str, str]
    body: bytes


class Cut(Exception):
    """The connection ends without an answer."""


@dataclass
class Bank:
    """`notices` are those that were sent, in their order; `held` those that are late."""

    book: Book = field(default_factory=Book)
    scenarios: Scenarios = field(default_factory=Scenarios)
    notices: list[Notice] = field(default_factory=list)
    held: list[Notice] = field(default_factory=list)
    overtaken: dict[str, Notice] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    unverified: int = 0
    writers: dict[str, Callable[[Payment, Scenario, bool], Notice | None]] = field(default_factory=dict)
    """Of each rail: the notice of a payment as it stands, with a wrong amount if asked for."""

    hurried: asyncio.Event = field(default_factory=asyncio.Event)
    """Ends what hangs, at the end of a test."""

    async def take(
        self,
        order: Ordered,
        answer: Callable[[Payment], Response],
        refuse: Callable[[OnSend], Response],
    ) -> Response:
        """The answer to a payment, or what happens instead. Whatever comes again gets the answer of its payment."""
        rail, key = order.rail, order.key
        self.requests.append(f"{rail} {key}")
        known = self.book.find(rail, key)
        if known is not None:
            return answer(self.book.take(order))
        scenario = self.scenarios.of(key)
        if scenario.on_send == "refuse":
            return refuse(scenario.on_send)
        if scenario.on_send in ("no_funds", "rate_limit") and self._is_first(rail, key):
            return refuse(scenario.on_send)
        if scenario.on_send == "hang_before_commit" and self._is_first(rail, key):
            await self._hang()
            return Response(status_code=500)
        awaits = scenario.ends.startswith("awaiting")
        taken = self.book.take(order, "awaiting" if awaits else "accepted")
        if scenario.on_send == "commit_then_hang":
            await self._hang()
        if scenario.on_send == "commit_then_cut":
            raise Cut
        if scenario.on_send in ("commit_then_500", "commit_then_hang"):
            return JSONResponse({"code": "SYSTEM_ERROR", "message": "try again later"}, status_code=500)
        return answer(taken)

    def tick(self) -> None:
        """A day of the bank: what was accepted ends, what was paid may come back, late notices are sent."""
        self.notices += self.held
        self.held = []
        for payment in self.book.in_state("accepted", "awaiting", "paid"):
            scenario = self.scenarios.of(payment.key)
            state, reason = _next(payment.state, scenario)
            if state is not None:
                self._tell(self.book.move(payment, state, reason), scenario)
            elif scenario.forgets and payment.state == "paid":
                self.book.forget(payment)

    def _tell(self, payment: Payment, scenario: Scenario) -> None:
        write = self.writers.get(payment.rail)
        if write is None or scenario.notices == "never":
            return
        notice = write(payment, scenario, scenario.notices == "wrong_amount")
        if notice is None:
            return
        match scenario.notices:
            case "late":
                self.held.append(notice)
            case "twice":
                self.notices += [notice, notice]
            case "reordered" if payment.state == "paid" and scenario.ends == "returned":
                self.overtaken[payment.key] = notice
            case "reordered" if payment.state == "returned":
                self.notices += [notice, self.overtaken.pop(payment.key)]
            case "forged":
                self.notices.append(forged(notice))
            case _:
                self.notices.append(notice)

    def _is_first(self, rail: str, key: str) -> bool:
        return self.requests.count(f"{rail} {key}") == 1

    async def _hang(self) -> None:
        try:
            async with asyncio.timeout(HANG_S):
                await self.hurried.wait()
        except TimeoutError:
            return

    def app(self, *dialects: BaseRoute) -> Starlette:
        routes = [
            *dialects,
            Route("/_bank/tick", self._on_tick, methods=["POST"]),
            Route("/_bank/credited", self._on_credited),
            Route("/_bank/notices", self._on_notices),
        ]
        return Starlette(routes=routes)

    async def _on_tick(self, request: Request) -> Response:
        self.tick()
        return Response(status_code=204)

    async def _on_credited(self, request: Request) -> Response:
        sums: Counter[str] = Counter()
        credits: Counter[str] = Counter()
        for entry in self.book.entries():
            sums[f"{entry.payee} {entry.currency}"] += entry.minor
            credits[entry.key] += entry.minor > 0
        double = sorted(key for key, times in credits.items() if times > 1)
        return JSONResponse({"credited": sums, "double": double})

    async def _on_notices(self, request: Request) -> Response:
        """Those since the last time, for the process that delivers them."""
        sent, self.notices = self.notices, []
        rows = [{"rail": n.rail, "headers": n.headers, "body": n.body.decode()} for n in sent]
        return JSONResponse(rows)


def mounted(path: str, *routes: Route) -> Mount:
    return Mount(path, routes=[Route(r.path, cutting(r.endpoint), methods=[*(r.methods or ())]) for r in routes])


def cutting(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint, which may end the connection in the middle of an answer."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Cut:
            # The announced length never comes, so that the answer cannot be read.
            return Response(b"{", headers={"content-length": "1000"})

    return answer


def forged(notice: Notice) -> Notice:
    """The same notice with a body that was changed on the way."""
    return Notice(notice.rail, notice.headers, notice.body + b" ")


def new_id() -> str:
    return secrets.token_hex(16)


def _next(state: State, scenario: Scenario) -> tuple[State | None, str | None]:
    if state == "awaiting":
        return ("failed", "expired") if scenario.ends == "awaiting_then_expired" else ("paid", None)
    if state == "accepted":
        return ("failed", "account") if scenario.ends == "failed" else ("paid", None)
    if state == "paid" and scenario.ends == "returned":
        return "returned", "account"
    return None, None
