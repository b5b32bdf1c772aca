"""Everything outside at once: a mail server, receivers of webhooks and chat robots on loopback, each with its book."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr

from contracts.notifications.channel import Kind, NewChannel
from infra.adapters.outside.letter import message_id
from infra.receivers.addresses import Address, seal_address
from infra.receivers.shop_webhooks import new_secret, seal_secret, seal_url
from tests.faults.proxy import Proxy
from tests.receivers.mail import USER, MailServer, mail_server
from tests.receivers.robots import Robots
from tests.receivers.serving import Certificates, make_certificates, serving
from tests.receivers.webhooks import WebhookReceiver

HOST = "127.0.0.1"
READER = "warehouse@example.com"
SENDER = "tributary@example.com"
KINDS: tuple[Kind, ...] = get_args(Kind)
_PLENTY = 100_000
_PATHS: dict[Kind, str] = {
    "webhook": "alerts?token={token}",
    "wecom": "cgi-bin/webhook/send?key={token}",
    "dingtalk": "robot/send?access_token={token}",
    "feishu": "open-apis/bot/v2/hook/{token}",
    "slack": "services/{token}",
}


@dataclass
class OutsideWorld:
    """The receivers, and a proxy before each of them that can take it away. All secrets are random."""

    certificates: Certificates
    deadline_s: float
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    delivery_secret: str = field(default_factory=lambda: secrets.token_hex(24))
    mail: MailServer = field(default_factory=lambda: MailServer(secrets.token_hex(16)))
    hook: WebhookReceiver = field(default_factory=lambda: WebhookReceiver(new_secret()))
    shop: WebhookReceiver = field(default_factory=lambda: WebhookReceiver(new_secret()))
    robots: Robots = field(
        default_factory=lambda: Robots(secrets.token_hex(16), secrets.token_hex(16), messages_max=_PLENTY)
    )
    before_mail: Proxy = field(default_factory=lambda: Proxy([]))
    before_hook: Proxy = field(default_factory=lambda: Proxy([]))
    before_shop: Proxy = field(default_factory=lambda: Proxy([]))
    before_robots: Proxy = field(default_factory=lambda: Proxy([]))

    def settings(self) -> dict[str, Any]:
        """What a process needs in order to send here."""
        return {
            "delivery_secret": self.delivery_secret,
            "outside_allowed": ["127.0.0.0/8"],
            "shops_outside_allowed": ["127.0.0.0/8"],
            "outside_ca_file": str(self.certificates.ca_file),
            "outside_deadline_s": self.deadline_s,
            "shops_deadline_s": self.deadline_s,
            "smtp_host": HOST,
            "smtp_port": self.before_mail.port,
            "smtp_sender": SENDER,
            "smtp_user": USER,
            "smtp_password": self.mail.password,
        }

    def environment(self) -> dict[str, str]:
        """The variables of these settings."""
        return {
            f"TRIBUTARY_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for name, value in self.settings().items()
        }

    def secrets(self) -> dict[str, str]:
        """Everything that must stay secret, by name."""
        return {
            "token of the alert webhook": self.token,
            "key of the robots": self.robots.token,
            "signing secret of the robots": self.robots.secret,
            "signing secret of the alert webhook": self.hook.secret,
            "signing secret of the shop": self.shop.secret,
            "mail password": self.mail.password,
            "delivery secret": self.delivery_secret,
        }

    def address(self, kind: Kind) -> Address:
        token = self.token if kind == "webhook" else self.robots.token
        port = (self.before_hook if kind == "webhook" else self.before_robots).port
        secret = {"webhook": self.hook.secret, "dingtalk": self.robots.secret, "feishu": self.robots.secret}.get(kind)
        return Address(f"https://{HOST}:{port}/{_PATHS[kind].format(token=token)}", secret)

    def channel(self, kind: Kind, route_id: str) -> NewChannel:
        if kind == "email":
            return NewChannel(kind=kind, to=[READER])
        sealed = seal_address(self.address(kind), route_id, SecretStr(self.delivery_secret))
        return NewChannel(kind=kind, host=HOST, sealed=sealed)

    def shop_url(self) -> str:
        return f"https://{HOST}:{self.before_shop.port}/orders?token={self.token}"

    def sealed_webhook(self, webhook_id: str) -> tuple[str, str]:
        """The sealed address and secret of a shop's webhook."""
        secret = SecretStr(self.delivery_secret)
        return seal_url(self.shop_url(), webhook_id, secret), seal_secret(self.shop.secret, webhook_id, secret)

    @property
    def proxies(self) -> tuple[Proxy, ...]:
        return self.before_mail, self.before_hook, self.before_shop, self.before_robots

    @property
    def arrivals(self) -> int:
        """How many calls brought something, repeats included."""
        robots = sum(map(len, self.robots.texts.values()))
        return len(self.mail.mails) + len(self.hook.taken) + len(self.shop.taken) + robots

    def books(self) -> dict[str, Counter[str]]:
        """What each receiver took, and how often, by what people and programs recognise a repeat by (see `mark`)."""
        mails = Counter(str(mail.message["Message-ID"]) for mail in self.mail.mails)
        robots = {kind: Counter(map(_number_in, texts)) for kind, texts in self.robots.texts.items()}
        return {"email": mails, "webhook": Counter(self.hook.taken), "shop": Counter(self.shop.taken), **robots}


def mark(kind: str, key: str) -> str:
    """By what a receiver of this kind recognises the notification or delivery with this key."""
    if kind == "email":
        return message_id(key, SENDER)
    return key if kind in ("webhook", "shop") else key[-8:]


def _number_in(text: str) -> str:
    """The number at the end of a robot's text: `No. 6c1e8b21`."""
    return text.rpartition("No. ")[2].strip()


@asynccontextmanager
async def outside_world(folder: Path, *, deadline_s: float = 20.0) -> AsyncIterator[OutsideWorld]:
    certificates = make_certificates(folder)
    world = OutsideWorld(certificates, deadline_s)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(mail_server(world.mail, certificates.server))
        world.before_mail.upstreams[:] = [world.mail.port]
        for proxy, app in (
            (world.before_hook, world.hook.app()),
            (world.before_shop, world.shop.app()),
            (world.before_robots, world.robots.app()),
        ):
            proxy.upstreams[:] = [await stack.enter_async_context(serving(app, certificates.server))]
        for proxy in world.proxies:
            await proxy.start()
            stack.push_async_callback(proxy.stop)
        yield world
