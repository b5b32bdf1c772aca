"""The demo's administrators get alerts by e-mail: a mail box on this machine, a route to it, and what arrived there."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version
from pathlib import Path
from typing import Any

from contracts.alert_routing.v1 import DefineRoute
from contracts.notifications.channel import NewChannel
from contracts.notifications.view import NOTICES
from infra import local
from infra.adapters.mongo import MongoStore
from infra.adapters.outside.letter import message_id
from infra.local import ports
from infra.local.process import is_running

PROGRAM = "mail"
READER = "admin@example.com"
_SENDER = "tributary@example.com"
_PAGE_PORT = 8025
"""The page's port, if it is free."""

_READY_WITHIN_S = 30.0
_MAILED_WITHIN_S = 120.0
_POLL_S = 0.5

ADMINISTRATORS = DefineRoute(
    route_id="administrators",
    channel=NewChannel(kind="email", to=[READER]),
    group_by=("kind",),
    group_wait_s=2,
    group_interval_s=10,
    by="demo",
)
"""All alerts, in short intervals, because a demo takes a minute."""


class MailNotServingError(Exception):
    """The mail box does not start; the text names its log."""


@dataclass(frozen=True, slots=True)
class Mailed:
    """Alerts for administrators, `low_stock` of them of products, and the e-mails in the mail box. `missing` counts
    the changes of alerts whose e-mail is not there.
    """

    alerts: int
    low_stock: int
    mails: int
    missing: int

    @property
    def is_complete(self) -> bool:
        return self.alerts > 0 and self.missing == 0


@dataclass(frozen=True, slots=True)
class MailBox:
    """The program `mail` of a stack. `delivery_secret` is made for this demo, and seals addresses of other routes."""

    smtp_port: int
    page_port: int
    delivery_secret: str = field(default_factory=lambda: secrets.token_urlsafe(33), repr=False)

    @property
    def page(self) -> str:
        return f"http://{ports.LOOPBACK}:{self.page_port}"

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The variables with which the workers send to this mail box, and to no other server that is exported."""
        others = {name: value for name, value in inherited.items() if not name.startswith("TRIBUTARY_SMTP_")}
        return {
            **others,
            "TRIBUTARY_SMTP_HOST": ports.LOOPBACK,
            "TRIBUTARY_SMTP_PORT": str(self.smtp_port),
            "TRIBUTARY_SMTP_TLS": "none",
            "TRIBUTARY_SMTP_SENDER": _SENDER,
            "TRIBUTARY_DELIVERY_SECRET": self.delivery_secret,
        }

    async def mailed(self, store: MongoStore) -> Mailed:
        """Wait until all alerts have arrived, and return what is in the mail box then."""
        deadline = time.monotonic() + _MAILED_WITHIN_S
        while True:
            mailed = await self._look(store)
            if mailed.is_complete or time.monotonic() > deadline:
                return mailed
            await asyncio.sleep(_POLL_S)

    async def _look(self, store: MongoStore) -> Mailed:
        alerts: dict[str, str] = {}
        awaited: list[str] = []
        where = {"route_id": ADMINISTRATORS.route_id, "state": {"$ne": "suppressed"}}
        async for notice in store.stream(NOTICES, where, fields=("alert", "item", "notification_id")):
            alerts[notice["alert"]] = notice["item"]["kind"]
            awaited.append(message_id(notice.get("notification_id") or "", _SENDER))
        kept = await asyncio.to_thread(self._mails)
        arrived = {mail["id"] for mail in kept["mails"]}
        low_stock = sum(kind == "stock_low" for kind in alerts.values())
        return Mailed(len(alerts), low_stock, kept["received"], sum(each not in arrived for each in awaited))

    def is_serving(self) -> bool:
        try:
            self._mails()
        except (OSError, HTTPException, ValueError):
            return False
        return True

    def _mails(self) -> Any:
        connection = HTTPConnection(ports.LOOPBACK, self.page_port, timeout=5)
        try:
            connection.request("GET", "/mails")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


def open_mail_box(stack: str, home: Path) -> MailBox:
    """Start the mail box as a program of the stack, which `tributary down` ends. Raises MailNotServingError."""
    chosen = ports.choose(("smtp", "page"), {"page": _PAGE_PORT})
    box = MailBox(chosen["smtp"], chosen["page"])
    argv = (sys.executable, "-m", "infra.local.mailbox", str(box.smtp_port), str(box.page_port))
    mark = local.start_program(stack, PROGRAM, argv, home=home, env=os.environ, version=version("tributary"))
    deadline = time.monotonic() + _READY_WITHIN_S
    while not box.is_serving():
        if time.monotonic() > deadline or not is_running(mark):
            log = home / stack / local.LOGS / f"{PROGRAM}.log"
            raise MailNotServingError(f"the mail box does not become ready; read {log}")
        time.sleep(_POLL_S / 5)
    return box
