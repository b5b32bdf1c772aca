"""All rails as one destination of the performer: finds the rail of an attempt, and opens where its money goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from contracts.money import MoneyError, to_minor
from contracts.payouts.rails import RAILS
from contracts.payouts.v1 import PayoutAttemptDue, PayoutCheckDue, ReportPayout
from contracts.wire.answer import Answer
from infra.adapters.outside.rails import iso20022, manual, paypal, wechat_pay
from infra.ports.outside import Outside
from infra.ports.rails import ABSENT, CallbackReader, CallbackRefused, Order, PaymentRail
from infra.ports.time import RealTime, Time
from infra.ports.vault import CannotOpen, Opens
from infra.receivers.guard import Resolve, resolve
from infra.settings import Settings

MAKERS: Mapping[str, Callable[[Settings, Time, Resolve], PaymentRail | None]] = MappingProxyType(
    {
        "manual": manual.make,
        "iso20022": iso20022.make,
        "wechat_pay": wechat_pay.make,
        "paypal": paypal.make,
    }
)
"""The adapter of each rail; it is None without its settings."""

READERS: Mapping[str, Callable[[Settings], CallbackReader | None]] = MappingProxyType(
    {"wechat_pay": wechat_pay.reader, "paypal": paypal.reader}
)
"""Of the rails that send callbacks."""


WINDOW_MARGIN = timedelta(days=1)
"""Before the end of the time for which a rail keeps keys: the clocks of two houses differ."""


def payouts(
    settings: Settings, vault: Opens, time: Time | None = None, resolve: Resolve = resolve
) -> tuple[Outside[PayoutAttemptDue], Outside[PayoutCheckDue]]:
    """The destinations of attempts and of checks. Raises RailMisconfigured."""
    time = time or RealTime()
    rails = {name: rail for name, make in MAKERS.items() if (rail := make(settings, time, resolve)) is not None}
    return _Attempts(rails, vault, time), _Checks(rails, time)


class _Attempts:
    def __init__(self, rails: Mapping[str, PaymentRail], vault: Opens, time: Time) -> None:
        self._rails = rails
        self._vault = vault
        self._time = time

    def destination(self, request: PayoutAttemptDue) -> str:
        return request.method.rail

    async def send(self, request: PayoutAttemptDue, key: str) -> Answer:
        rail = self._rails.get(request.method.rail)
        if rail is None:
            return _not_here(request.method.rail, self._time.now())
        order = await self._order(request)
        return order if isinstance(order, Answer) else await rail.send(order, key)

    async def look_up(self, request: PayoutAttemptDue, key: str) -> Answer | None:
        """None also for a key that the rail does not know: the call never arrived, and is made with the same key."""
        rail = self._rails.get(request.method.rail)
        if rail is None:
            return _not_asked(request.method.rail, self._time.now())
        answer = await rail.look_up(key, None)
        return None if answer is not None and answer.outcome == "done" and answer.code == ABSENT else answer

    async def _order(self, request: PayoutAttemptDue) -> Order | Answer:
        """The payment with its fields opened; the answer why it is not sent."""
        method, now = request.method, self._time.now()
        currencies = RAILS[method.rail].currencies
        if currencies is not None and request.currency not in currencies:
            detail = f"Nothing was sent: {method.rail} does not send {request.currency}."
            return Answer("refused", "currency_not_supported", detail, now)
        try:
            minor = to_minor(request.amount, request.currency)
            holder = await self._vault.open("holder", request.distributor_id, method.holder)
            destination = await self._vault.open("destination", request.distributor_id, method.destination)
        except MoneyError:
            detail = f"Nothing was sent: the amount has more decimals than {request.currency} has."
            return Answer("refused", "invalid_order", detail, now)
        except CannotOpen as error:
            return Answer("unavailable", error.code, f"Nothing was sent. {error.detail}", now)
        return Order(
            request.payout_id,
            request.distributor_id,
            minor,
            request.currency,
            method.country,
            request.remittance,
            holder,
            destination,
            method.bank_code,
        )


class _Checks:
    """Asks what became of an attempt. It opens nothing, and sends nothing."""

    def __init__(self, rails: Mapping[str, PaymentRail], time: Time) -> None:
        self._rails = rails
        self._time = time

    def destination(self, request: PayoutCheckDue) -> str:
        return request.method.rail

    async def send(self, request: PayoutCheckDue, key: str) -> Answer:
        """`key` is that of the check; the attempt has its own."""
        rail = self._rails.get(request.method.rail)
        if rail is None:
            return _not_asked(request.method.rail, self._time.now())
        answer = await rail.look_up(request.key, request.reference)
        if answer is None:
            detail = (
                f"{request.method.rail} cannot be asked for this payment; its callback, its file or a person tells."
            )
            return Answer("unknown", "cannot_be_asked", detail, self._time.now())
        kept = RAILS[request.method.rail].key_kept
        if answer.code == ABSENT and kept is not None and answer.at - request.attempted_at > kept - WINDOW_MARGIN:
            detail = f"{request.method.rail} does not know the payment any more: it keeps keys for {kept.days} days."
            return Answer("unknown", "key_window_over", detail, answer.at)
        return answer

    async def look_up(self, request: PayoutCheckDue, key: str) -> Answer | None:
        """None: a question that was asked twice does no harm."""
        return None


def _not_here(rail: str, at: datetime) -> Answer:
    if rail not in RAILS:
        detail = f"Nothing was sent: this release has no rail {rail}. Update it, or let the payee choose another."
        return Answer("unavailable", "rail_unknown", detail, at)
    return Answer("unavailable", "not_configured", f"Nothing was sent: {_settings_of(rail)}", at)


def _not_asked(rail: str, at: datetime) -> Answer:
    return Answer("unknown", "not_configured", f"The rail was not asked: {_settings_of(rail)}", at)


def _settings_of(rail: str) -> str:
    return f"set TRIBUTARY_RAIL_{rail.upper()}_… for the process that runs payout_delivery."


class Callbacks:
    """Reads the callbacks of all rails that have the settings for it. Raises RailMisconfigured."""

    def __init__(self, settings: Settings, time: Time | None = None) -> None:
        made = {name: make(settings) for name, make in READERS.items()}
        self._readers = {name: reader for name, reader in made.items() if reader is not None}
        self._time = time or RealTime()

    def read(
        self, rail: str, headers: Mapping[str, str], raw_body: bytes
    ) -> tuple[ReportPayout, ...] | CallbackRefused:
        """The reports in a callback, or why it is not believed. Never raises for what is in it."""
        reader = self._readers.get(rail)
        if reader is None:
            return CallbackRefused("not_configured", f"There is nothing to check callbacks of {rail} with.")
        lower = {name.lower(): value for name, value in headers.items()}
        return reader.read(lower, raw_body, self._time.now())
