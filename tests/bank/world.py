"""The bank over TLS, the settings that reach it, and payments for it."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from starlette.routing import Mount

from contracts.payees.fields import PayoutMethod
from contracts.payouts.v1 import PayoutAttemptDue, PayoutCheckDue
from contracts.wire.envelope import derived_id
from infra.adapters.outside.rails.payouts import Callbacks, payouts
from infra.ports.outside import Outside
from infra.ports.vault import CannotOpen
from infra.settings import Settings
from tests.bank import iso20022, paypal, wechat
from tests.bank.bank import Bank
from tests.bank.book import Book
from tests.bank.iso20022 import Iso20022Dialect
from tests.bank.paypal import PayPalDialect
from tests.bank.wechat import WechatDialect
from tests.receivers.serving import HOST, Certificates, resolve_here, serving

DEBTOR_IBAN = "NL41MOCK0000000001"
HOLDER = "Zoë Canary-Holder"
DESTINATIONS = {
    "manual": "DE89370400440532013000",
    "iso20022": "DE89370400440532013000",
    "wechat_pay": "o-canary-openid-40021",
    "paypal": "canary-payee@example.com",
}
CURRENCIES = {"manual": "CNY", "iso20022": "EUR", "wechat_pay": "CNY", "paypal": "USD"}


class Dialect(Protocol):
    """A further rail at the bank."""

    def mount(self) -> Mount: ...

    def settings(self, base: str) -> dict[str, Any]:
        """What its adapter needs; `base` is the address of the bank."""
        ...


class PlainVault:
    """Seals nothing: what is opened is what was given, for the payee and field of it only."""

    async def seal(self, field: str, distributor_id: int, plain: str) -> str:
        return sealed(field, distributor_id, plain)

    async def open(self, field: str, distributor_id: int, sealed: str) -> str:
        begin = f"{field} {distributor_id} "
        text = b64decode(sealed.rpartition(":")[2]).decode()
        if not text.startswith(begin):
            raise CannotOpen("other_payee", "The value was sealed for another payee or field.")
        return text.removeprefix(begin)


def sealed(field: str, distributor_id: int, plain: str) -> str:
    return f"sealed-2:plain:{b64encode(f'{field} {distributor_id} {plain}'.encode()).decode()}"


@dataclass
class BankWorld:
    folder: Path
    certificates: Certificates
    bank: Bank
    wechat: WechatDialect
    paypal: PayPalDialect
    iso20022: Iso20022Dialect
    more: Sequence[Dialect] = ()
    host: str = HOST
    port: int = 0

    def settings(self, **changed: Any) -> Settings:
        base = f"https://{self.host}:{self.port}"
        return Settings(
            **{
                "outside_ca_file": str(self.certificates.ca_file),
                "rail_deadline_s": 6.0,
                "rail_iso20022_url": f"{base}{iso20022.PATH}/payments",
                "rail_iso20022_status_url": f"{base}{iso20022.PATH}/payments/{{key}}",
                "rail_iso20022_authorization": self.iso20022.authorization,
                "rail_iso20022_debtor_name": "Tributary House",
                "rail_iso20022_debtor_iban": DEBTOR_IBAN,
                "rail_wechat_pay_url": f"{base}{wechat.PATH}",
                "rail_wechat_pay_mch_id": wechat.MCH_ID,
                "rail_wechat_pay_app_id": "wxf636efh567hg4356",
                "rail_wechat_pay_serial": wechat.SERIAL,
                "rail_wechat_pay_private_key_file": str(self.folder / "merchant.pem"),
                "rail_wechat_pay_platform_key_id": wechat.KEY_ID,
                "rail_wechat_pay_platform_key_file": str(self.folder / "platform.pem"),
                "rail_wechat_pay_api_v3_key": self.wechat.api_v3_key,
                "rail_paypal_url": f"{base}{paypal.PATH}",
                "rail_paypal_client_id": paypal.CLIENT_ID,
                "rail_paypal_client_secret": self.paypal.secret,
                "rail_paypal_webhook_id": paypal.WEBHOOK_ID,
                "rail_paypal_certificate_file": str(self.folder / "paypal.pem"),
                **{name: value for dialect in self.more for name, value in dialect.settings(base).items()},
                **changed,
            }
        )

    def rails(self, **changed: Any) -> tuple[Outside[PayoutAttemptDue], Outside[PayoutCheckDue]]:
        return payouts(self.settings(**changed), PlainVault(), resolve=resolve_here)

    def callbacks(self, **changed: Any) -> Callbacks:
        return Callbacks(self.settings(**changed))

    def write_keys(self) -> None:
        merchant = self.wechat.merchant.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        platform = self.wechat.platform.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (self.folder / "merchant.pem").write_bytes(merchant)
        (self.folder / "platform.pem").write_bytes(platform)
        (self.folder / "paypal.pem").write_bytes(self.paypal.certificate())

    def secrets(self) -> list[str]:
        """What must be in no log, answer or repr."""
        merchant = (self.folder / "merchant.pem").read_text().splitlines()[1]
        return [
            HOLDER,
            *DESTINATIONS.values(),
            destination_of(""),
            self.iso20022.authorization,
            self.wechat.api_v3_key,
            self.paypal.secret,
            merchant,
            *self.paypal.tokens,
        ]


@asynccontextmanager
async def bank_world(
    folder: Path,
    certificates: Certificates,
    *more: Callable[[Bank], Dialect],
    book: Path | None = None,
    host: str = HOST,
) -> AsyncIterator[BankWorld]:
    """The bank with its dialects, and more of them. Its books are in memory, or in a file that outlives it."""
    bank = Bank(Book(book or ":memory:"))
    own = WechatDialect(bank), PayPalDialect(bank), Iso20022Dialect(bank)
    world = BankWorld(folder, certificates, bank, *own, more=[make(bank) for make in more], host=host)
    world.write_keys()
    app = bank.app(*(dialect.mount() for dialect in own), *(dialect.mount() for dialect in world.more))
    async with serving(app, certificates.server) as port:
        world.port = port
        try:
            yield world
        finally:
            bank.hurried.set()


def destination_of(rail: str) -> str:
    return DESTINATIONS.get(rail, "canary-destination")


def key_of(payout_id: str, attempt: int = 1) -> str:
    return derived_id("payout", payout_id, attempt).replace("-", "")


def attempt_due(rail: str, payout_id: str = "default/2026-10/40021/CNY", **changed: Any) -> PayoutAttemptDue:
    distributor_id = 40021
    currency = changed.pop("currency", CURRENCIES.get(rail, "EUR"))
    method = PayoutMethod(
        method_id="method-1",
        rail=rail,
        currency=currency,
        country="DE",
        holder=sealed("holder", distributor_id, changed.pop("holder", HOLDER)),
        destination=sealed("destination", distributor_id, changed.pop("destination", destination_of(rail))),
        hint="•••• 3000",
        bank_code=changed.pop("bank_code", None),
    )
    fields: dict[str, Any] = {
        "payout_id": payout_id,
        "attempt": 1,
        "key": key_of(payout_id),
        "distributor_id": distributor_id,
        "amount": Decimal("1234.56"),
        "currency": currency,
        "method": method,
        "remittance": "Commission 2026-10",
    }
    return PayoutAttemptDue(**{**fields, **changed})


def check_due(attempt: PayoutAttemptDue, **changed: Any) -> PayoutCheckDue:
    fields = attempt.model_dump(
        include={"payout_id", "attempt", "key", "distributor_id", "amount", "currency", "method"}
    )
    return PayoutCheckDue(**{**fields, "check": 1, "attempted_at": datetime.now(UTC), **changed})
